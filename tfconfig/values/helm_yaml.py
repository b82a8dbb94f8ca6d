"""Read one values file as Helm reads it, keeping the place of every key and value.

Helm reads YAML with goyaml.v2 and turns it into JSON (sigs.k8s.io/yaml), which differs from PyYAML's own reading: `y`
is a boolean, `1:30` and dates are texts, `0o10` is 8, a merge wins over keys before it, keys become texts. So PyYAML
gives only the events here, and this file decides what they mean. Sources of the rules:
https://github.com/yaml/go-yaml/blob/v2/resolve.go and decode.go, https://github.com/kubernetes-sigs/yaml/blob/master/yaml.go
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tfconfig.diagnostics import Diagnostic, Origin, dotted, spelt
from tfconfig.values.libyaml import loader

NOT_YAML = "TFC001"
MAX_DEPTH = 100  # levels of nesting; a values file has about ten
MAX_BYTES = 2 << 20  # Kubernetes accepts no release of more than 1 MiB

_TAG = "tag:yaml.org,2002:"
_KEYWORDS: dict[str, tuple[str, Any]] = {
    **{w: ("bool", True) for t in ("y", "yes", "true", "on") for w in (t, t.capitalize(), t.upper())},
    **{w: ("bool", False) for t in ("n", "no", "false", "off") for w in (t, t.capitalize(), t.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("float", math.nan)),
    **{s + w: ("float", math.inf) for w in (".inf", ".Inf", ".INF") for s in ("", "+")},
    **{"-" + w: ("float", -math.inf) for w in (".inf", ".Inf", ".INF")},
    "<<": ("merge", "<<"),
}
_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))")
_ODD_BINARY = re.compile(r"0b([-+][01]+)")  # goyaml's own fallback
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # of YAML 1.1
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass
class Node:
    """A value with its place: a plain scalar, a dict of Nodes or a list of Nodes."""

    value: Any
    origin: Origin
    key_origin: Origin | None = None  # where the key stands, for an entry of a dict
    removed: dict[str, Node] = field(default_factory=dict)  # entries whose null took a default away


@dataclass
class Document:
    """A values file: its root Node (a dict; empty when the file could not be read) and what is wrong with it."""

    file: str
    text: str
    root: Node
    diagnostics: list[Diagnostic] = field(default_factory=list)


class _InvalidDocumentError(Exception):
    """Helm refuses this document; carries the message, fix and place of the diagnostic."""

    def __init__(self, message: str, fix: str, origin: Origin) -> None:
        super().__init__(message)
        self.message, self.fix, self.origin = message, fix, origin


def plain(node: Node) -> Any:
    """The value without places, as Helm's templates see it."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def number(value: float) -> int | float:
    """A number as Helm holds it: a 64-bit float, so 2.0 is 2 and 2**53 + 1 is 2**53."""
    as_float = float(value)
    return int(as_float) if as_float.is_integer() else as_float


def read(data: bytes, file: str) -> Document:
    """Read the bytes of a values file. Never raises: errors are in the Document's diagnostics."""
    origin = Origin(file, 1, 1, 1, 1)
    text = _decoded(data)
    document = Document(file, text, Node({}, origin))
    try:
        if len(data) > MAX_BYTES:
            raise _InvalidDocumentError(
                f"the file has {len(data) >> 20} MiB, and Kubernetes accepts no release of more than 1 MiB",
                "put large programs and data into the image",
                origin,
            )
        root = _Reader(document, file).read(data)
        if isinstance(root.value, dict):
            document.root = root
        elif root.value is not None:
            message = f"expected keys and values, found {kind(root.value)}"
            raise _InvalidDocumentError(message, "write `key: value` lines at the top of the file", root.origin)
    except _InvalidDocumentError as e:
        document.diagnostics.append(Diagnostic.at(e.origin, NOT_YAML, e.message, e.fix))
    except yaml.YAMLError as e:
        document.diagnostics.append(_yaml_error(e, file, text))
    return document


def kind(value: Any) -> str:
    """A value as messages name it: a list, the string "3", the number 3."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {spelt(value)}"
    if isinstance(value, str):
        return f'the string "{value if len(value) <= 60 else value[:57] + "..."}"'
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a map" if value else "an empty map"


def _decoded(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, errors="replace")


def _yaml_error(error: yaml.YAMLError, file: str, text: str) -> Diagnostic:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = _LINE_BREAK.split(text.rstrip())
    if line > len(lines):  # something is missing at the end: at the last character that is there
        line, column = len(lines), max(1, len(lines[-1]))
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    message, fix = f"not YAML: {problem}", "fix this line, or the one above it"
    if "<document start>" in problem:
        message, fix = "the values end before this line, and Helm ignores the rest", "fix the indentation"
    elif "cannot start any token" in problem:
        fix = "indent with spaces, not tabs; quote a string that starts with % @ ` or a tab"
    elif isinstance(error, yaml.reader.ReaderError):
        fix = "save the file as UTF-8 text"
    elif "mapping values are not allowed" in problem:
        fix = "check the indentation, and that a blank follows each colon; quote a string that contains `: `"
    return Diagnostic.at(Origin(file, line, column, line, column + 1), NOT_YAML, message, fix)


class _Raw:
    """A YAML node as written: its events, its children in order, and for an alias the node it names."""

    __slots__ = ("alias", "children", "end", "start")

    def __init__(self, start: Any, alias: _Raw | None = None) -> None:
        self.start, self.end, self.alias = start, start, alias
        self.children: list[_Raw] = []


class _Reader:
    """Reads one document: first its nodes as written, then what they mean to goyaml.v2."""

    def __init__(self, document: Document, file: str) -> None:
        self.document = document
        self.file = file
        self.anchors: dict[str, _Raw] = {}
        self.open: set[int] = set()  # ids of the anchored nodes being decoded
        self.decoded = 0
        self.aliased = 0
        self.alias_depth = 0

    def read(self, data: bytes) -> Node:
        events: Iterator[Any] = yaml.parse(data, Loader=loader())
        root: _Raw | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._report_second_document(event)
                    break
                if event.version and tuple(event.version) != (1, 1):
                    raise _InvalidDocumentError("%YAML is not 1.1", "remove the %YAML line", self._origin(event))
                root = self._compose(next(events), events, 1)
        return self._decode(root) if root else Node(None, Origin(self.file, 1, 1, 1, 1))

    def _report_second_document(self, event: Any) -> None:
        message = "a second document starts here: Helm 3 ignores it, Helm 4 merges it over the first"
        fix = "keep one document per file, and pass several files with one -f each"
        self._report("TFC002", self._origin(event), message, fix)

    def _origin(self, start: Any, end: Any = None) -> Origin:
        first, last = start.start_mark, (end or start).end_mark
        if end is not None and isinstance(end, yaml.CollectionEndEvent) and not getattr(start, "flow_style", False):
            last = first  # a block has no end of its own: its end mark is where the next thing starts
        return Origin(self.file, first.line + 1, first.column + 1, last.line + 1, last.column + 1)

    def _compose(self, event: Any, events: Iterator[Any], depth: int) -> _Raw:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                fix = "quote a text that starts with *, or write the anchor before the value that it stands for"
                raise _InvalidDocumentError("the anchor of this alias (*) is not defined", fix, self._origin(event))
            return _Raw(event, self.anchors[event.anchor])
        raw = _Raw(event)
        if event.anchor:
            self.anchors[event.anchor] = raw
        if isinstance(event, yaml.CollectionStartEvent):
            if depth > MAX_DEPTH:
                raise _InvalidDocumentError(
                    f"more than {MAX_DEPTH} levels of nesting", "flatten the values", self._origin(event)
                )
            child = next(events)
            while not isinstance(child, yaml.CollectionEndEvent):
                raw.children.append(self._compose(child, events, depth + 1))
                child = next(events)
            raw.end = child
        return raw

    def _decode(self, raw: _Raw) -> Node:
        self._count(raw)
        if raw.alias is not None:
            if id(raw.alias) in self.open:
                name = raw.start.anchor
                raise _InvalidDocumentError(f"*{name} contains itself", f"remove *{name} here", self._origin(raw.start))
            self.alias_depth += 1
            node = self._decode(raw.alias)
            self.alias_depth -= 1
            return node
        origin = self._origin(raw.start, raw.end)
        if isinstance(raw.start, yaml.ScalarEvent):
            return Node(self._scalar(raw.start), origin)
        self.open.add(id(raw))
        node = Node({}, origin)
        if isinstance(raw.start, yaml.MappingStartEvent):
            self._mapping(raw, node.value)
        else:
            node.value = [self._finite(self._decode(child)) for child in raw.children]
        self.open.discard(id(raw))
        return node

    def _count(self, raw: _Raw) -> None:
        """Refuse documents that aliases blow up, by goyaml's own measure (decode.go, allowedAliasRatio)."""
        self.decoded += 1
        self.aliased += self.alias_depth > 0
        allowed = 0.99 - 0.89 * min(max(self.decoded - 400_000, 0) / 3_600_000, 1)
        if self.aliased > 100 and self.decoded > 1000 and self.aliased / self.decoded > allowed:
            raise _InvalidDocumentError(
                "aliases expand to too much data", "use fewer * aliases", self._origin(raw.start)
            )

    def _mapping(self, raw: _Raw, into: dict[str, Node]) -> None:
        written: dict[str, Origin] = {}
        for key, value in zip(raw.children[::2], raw.children[1::2], strict=True):
            if self._is_merge(key):
                self._merge(value, into)
                continue
            name = self._key(key)
            origin = self._origin(key.start)
            if name in written:
                first = f"first at line {written[name].line}, column {written[name].column}"
                message = f"duplicate key {dotted([name])}, {first}; Helm uses the last one"
                self._report("TFC003", origin, message, "remove one of them")
            written[name] = origin
            node = self._finite(self._decode(value))
            # A node read through an alias keeps its own place and gets this key's.
            into.pop(name, None)
            into[name] = Node(node.value, node.origin, origin)

    def _is_merge(self, raw: _Raw) -> bool:
        event = raw.start
        if not isinstance(event, yaml.ScalarEvent) or event.value != "<<":
            return False
        return bool(event.tag == _TAG + "merge" or event.implicit[0])

    def _merge(self, raw: _Raw, into: dict[str, Node]) -> None:
        target = raw.alias or raw
        if isinstance(target.start, yaml.MappingStartEvent):
            node = self._decode(raw)
            into.update(node.value)
        elif target is raw and isinstance(raw.start, yaml.SequenceStartEvent):
            for child in reversed(raw.children):
                if not isinstance((child.alias or child).start, yaml.MappingStartEvent):
                    raise _InvalidDocumentError(
                        "<<: accepts only maps", "use a map or a list of maps", self._origin(child.start)
                    )
                into.update(self._decode(child).value)
        else:
            raise _InvalidDocumentError("<<: accepts only maps", "use a map or a list of maps", self._origin(raw.start))

    def _key(self, raw: _Raw) -> str:
        origin = self._origin(raw.start)
        node = self._decode(raw)
        value = node.value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return _float_key(value)
        if isinstance(value, int) and value < 1 << 63:
            return str(value)
        if isinstance(value, str):
            return value
        self._report(
            NOT_YAML, origin, f"a key cannot be {kind(value)}", "write the key as a string, quoted if necessary"
        )
        return ""

    def _report(self, rule: str, origin: Origin, message: str, fix: str) -> None:
        """An error after which reading can go on."""
        self.document.diagnostics.append(Diagnostic.at(origin, rule, message, fix))

    def _finite(self, node: Node) -> Node:
        """JSON, which Helm turns values into, has neither infinity nor NaN, and only 64-bit floats."""
        if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            if not math.isfinite(node.value):
                self._report(NOT_YAML, node.origin, "not a finite number", "use a finite number, or quote the string")
                node.value = None
            else:
                node.value = number(node.value)
        return node

    def _scalar(self, event: Any) -> Any:
        if not event.tag and not event.implicit[0]:
            return event.value
        tag = event.tag or ""
        short = tag.removeprefix(_TAG) if tag.startswith(_TAG) else ""
        if short == "binary":
            try:
                decoded = base64.b64decode(event.value.replace("\n", ""), validate=True)
                return decoded.decode("utf-8", errors="replace")
            except (binascii.Error, ValueError):
                raise _InvalidDocumentError("!!binary is not base64", "fix or remove it", self._origin(event)) from None
        if tag and short not in ("str", "bool", "int", "float", "null", "timestamp"):
            return event.value
        if short in ("str", "timestamp"):
            return event.value
        actual, value = resolve(event.value)
        if short == "float" and actual == "int":
            return float(value)
        if short and short != actual:
            raise _InvalidDocumentError(
                f"the value is not a !!{short}", "fix the value or remove the tag", self._origin(event)
            )
        return value


def resolve(text: str) -> tuple[str, Any]:
    """The type (bool, null, int, float, merge or str) and value of an unquoted scalar; goyaml.v2's resolve()."""
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    first = text[0]
    if first == ".":
        return _parse_float(text, text)
    if first not in "+-0123456789":
        return "str", text
    bare = text.replace("_", "")
    match = _INT.fullmatch(bare)
    if match:
        sign, hexadecimal, binary, octal, decimal = match.groups()
        digits, base = next((d, b) for d, b in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)) if d)
        value = int(sign + digits, base) if len(digits) <= 64 else 1 << 64
        if -(1 << 63) <= value < (1 << 63 if sign else 1 << 64):
            return "int", value
    odd = _ODD_BINARY.fullmatch(bare)
    if odd and len(odd.group(1)) < 64:
        return "int", int(odd.group(1), 2)
    return _parse_float(bare, text)


def _parse_float(number_text: str, text: str) -> tuple[str, Any]:
    if _FLOAT.fullmatch(number_text):
        value = float(number_text)
        if math.isfinite(value):
            return "float", value
    return "str", text


def _float_key(value: float) -> str:
    """Go's strconv.FormatFloat(value, 'g', -1, 32), which sigs.k8s.io/yaml makes keys of floats with."""
    if math.isnan(value):
        return ".nan"
    try:
        single = struct.pack("f", value)
    except OverflowError:
        single = struct.pack("f", math.copysign(math.inf, value))
    (rounded,) = struct.unpack("f", single)
    if math.isinf(rounded):
        return ".inf" if rounded > 0 else "-.inf"
    shortest = next(t for t in (f"{rounded:.{p}e}" for p in range(17)) if struct.pack("f", float(t)) == single)
    mantissa, exponent = shortest.split("e")
    power = int(exponent)
    digits = mantissa.replace("-", "").replace(".", "")
    if -4 <= power < 6:
        return f"{float(shortest):.{max(len(digits) - 1 - power, 0)}f}"
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
