"""The --set family of arguments, as Helm reads them: `a.b=1,c[0]=x,d={1,2}`.

A port of Helm's pkg/strvals (parser.go and literal_parser.go, the same in Helm 3 and 4), its oddities included.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfconfig.diagnostics import Diagnostic, Origin
from tfconfig.values.helm_yaml import Node, number
from tfconfig.values.merge import merge_maps
from tfconfig.values.secrecy import without_value

MAX_INDEX = 65536
MAX_LEVELS = 30

# The kinds of arguments in the order in which Helm applies them, whatever their order on the command line.
OPTIONS = {
    "json": "--set-json",
    "typed": "--set",
    "string": "--set-string",
    "file": "--set-file",
    "literal": "--set-literal",
}


class SetError(ValueError):
    """A --set argument that Helm refuses; says why."""


@dataclass(frozen=True)
class SetFlags:
    """The arguments of one call by kind (see OPTIONS)."""

    json: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    string: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    literal: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """The kind and text of each argument, in Helm's order."""
        return ((kind, text) for kind in OPTIONS for text in getattr(self, kind))

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def arguments(self) -> list[str]:
        """The same for a command line of Helm."""
        return [f"{OPTIONS[kind]}={text}" for kind, text in self]

    def apply(self, root: Node) -> list[Diagnostic]:
        """Set every argument into the dict Node `root`: what Helm takes, but spoils. Raises SetError."""
        spoiled: list[Diagnostic] = []
        for kind, text in self:
            shown = text if kind == "file" else without_value(text)
            parser = _Parser(text, kind, Origin(f"{OPTIONS[kind]} {shown}"))
            try:
                parser.parse(root)
            except SetError as e:
                why = e if shown == text else "Helm cannot read it; write \\, for a comma inside a value"
                raise SetError(f"{OPTIONS[kind]} {shown}: {why}") from None
            spoiled += parser.spoiled
        return spoiled


def wrap(value: Any, origin: Origin) -> Node:
    """A plain value as Nodes that all come from one origin."""
    if isinstance(value, dict):
        value = {key: wrap(child, origin) for key, child in value.items()}
        for child in value.values():
            child.key_origin = origin
    elif isinstance(value, list):
        value = [wrap(child, origin) for child in value]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        value = number(value)
    return Node(value, origin)


class _Parser:
    def __init__(self, text: str, mode: str, origin: Origin) -> None:
        self.text, self.mode, self.origin = text, mode, origin
        self.position = 0
        self.spoiled: list[Diagnostic] = []

    def parse(self, root: Node) -> None:
        stripped = self.text.strip()
        if self.mode == "json" and stripped.startswith("{"):  # Helm 4: a whole object
            merge_maps(root, wrap(self._load_json(stripped, whole=True), self.origin))
            return
        try:
            while self._key(root.value, 0):
                pass
        except RecursionError:
            raise SetError("too deeply nested") from None

    def _until(self, stops: str) -> tuple[str, str]:
        """The text up to one of `stops`, and that character ("" at the end). A backslash quotes the next one."""
        taken: list[str] = []
        while self.position < len(self.text):
            character = self.text[self.position]
            self.position += 1
            if character in stops:
                return "".join(taken), character
            if character == "\\" and self.mode != "literal":
                if self.position == len(self.text):
                    break
                character = self.text[self.position]
                self.position += 1
            taken.append(character)
        return "".join(taken), ""

    def _put(self, into: dict[str, Node], key: str, value: Any) -> None:
        if key:
            old = into.pop(key, None)
            node = value if isinstance(value, Node) else Node(value, self.origin)
            node.key_origin = old.key_origin if old and isinstance(node.value, (dict, list)) else self.origin
            into[key] = node

    def _key(self, into: dict[str, Node], level: int) -> bool:
        """Read one key and its value; False at the end of the text."""
        name, stop = self._until("=[." if self.mode == "literal" else "=[,.")
        if stop == "":
            if name:
                raise SetError(f"the key {name!r} has no value; write {name}=VALUE")
            return False
        if stop == ",":
            raise SetError(f"the key {name!r} has no value; write {name}=VALUE (and \\, for a comma inside a value)")
        if stop == "[":
            index = self._index()
            target = into.get(name) or Node([], self.origin)
            if not isinstance(target.value, list):
                raise SetError(f"{name} is not a list")
            items, more = self._item(target.value, index, level)
            self._put(into, name, Node(items, target.origin))
            return more
        if stop == ".":
            return self._nested(into, name, level + 1)
        if self.mode == "json":
            self._put(into, name, wrap(self._json_value(), self.origin))
            return True
        if self.mode == "literal":
            self._put(into, name, self._rest())
            return True
        if self.position == len(self.text):
            self._put(into, name, "")
            return False
        self._put(into, name, self._value())
        return True

    def _nested(self, into: dict[str, Node], name: str, level: int) -> bool:
        if level > MAX_LEVELS:
            raise SetError(f"more than {MAX_LEVELS} levels")
        inner = into.get(name) or Node({}, self.origin)
        if not isinstance(inner.value, dict):
            raise SetError(f"{name} is not a map")
        more = self._key(inner.value, level)
        if more and not inner.value:
            raise SetError(f"the key {name!r} has no value")
        if inner.value:
            self._put(into, name, inner)
        return more

    def _index(self) -> int:
        digits, stop = self._until("]")
        if not stop or not re.fullmatch(r"[-+]?[0-9]{1,18}", digits):
            raise SetError(f"{digits!r} is not an index; write [0], [1], …")
        return int(digits)

    def _item(self, items: list[Node], index: int, level: int) -> tuple[list[Node], bool]:
        if index < 0:
            raise SetError(f"the index {index} is negative")
        extra, stop = self._until("[.=")
        if extra:
            raise SetError(f"{extra!r} after the index")
        if stop == "":
            return items, False
        current = items[index] if index < len(items) else None
        if stop == "=":
            if self.mode == "json":
                return self._at(items, index, wrap(self._json_value(), self.origin)), True
            if self.mode == "literal":
                return self._at(items, index, Node(self._rest(), self.origin)), True
            value = "" if self.position == len(self.text) else self._value()
            return self._at(items, index, value if isinstance(value, Node) else Node(value, self.origin)), True
        if stop == "[":
            next_index = self._index()
            nested = current.value if current and current.value is not None else []
            if not isinstance(nested, list):
                raise SetError(f"[{index}] is not a list")
            inner, more = self._item(nested, next_index, level)
            return (self._at(items, index, Node(inner, self.origin)), True) if more else (items, False)
        if current is not None and not isinstance(current.value, dict):
            current = items[index] = Node({}, self.origin)
        target = current or Node({}, self.origin)
        if not self._key(target.value, level):
            return items, False
        return self._at(items, index, target), True

    def _at(self, items: list[Node], index: int, node: Node) -> list[Node]:
        if index > MAX_INDEX:
            raise SetError(f"the index {index} is over {MAX_INDEX}")
        filled = items + [Node(None, self.origin) for _ in range(index + 1 - len(items))]
        filled[index] = node
        return filled

    def _value(self) -> Any:
        """A value, or a list in braces."""
        if self.text[self.position] != "{":
            return self._typed(self._until(",")[0])
        self.position += 1
        items: list[Node] = []
        while True:
            text, stop = self._until(",}")
            if not stop:
                raise SetError("a list must end with }")
            items.append(Node(self._typed(text), self.origin))
            if stop == "}":
                if self.text[self.position : self.position + 1] == ",":
                    self.position += 1
                return Node(items, self.origin)

    def _typed(self, text: str) -> Any:
        if self.mode == "file":
            try:
                data = Path(text).read_bytes()
                return data.decode("utf-8")
            except UnicodeDecodeError as e:
                message = (
                    f"{text}: byte {e.start + 1} is not UTF-8; Helm replaces it and all others like it with U+FFFD"
                )
                fix = "save the file as UTF-8; put a binary file into the image"
                self.spoiled.append(Diagnostic.at(self.origin, "TFC004", message, fix))
                return data.decode("utf-8", errors="replace")
            except (OSError, ValueError) as e:
                raise SetError(f"cannot read {text}: {getattr(e, 'strerror', None) or e}") from None
        if self.mode == "string":
            return text
        word = text.casefold()
        if word in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[word]
        if text == "0":
            return 0
        if re.fullmatch(r"[-+]?[0-9]{1,19}", text) and text[0] != "0" and -(1 << 63) <= int(text) < 1 << 63:
            return int(text)
        return text

    def _rest(self) -> str:
        text, self.position = self.text[self.position :], len(self.text)
        return text

    def _json_value(self) -> Any:
        if self._skip_blanks():
            return None
        value = self._load_json(self.text[self.position :], whole=False)
        self._skip_blanks()
        return value

    def _skip_blanks(self) -> bool:
        """Skip blanks and a comma; whether that was all there is of this value."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if not character.isspace() and character != ",":
                return False
            self.position += 1
            if character == ",":
                return True
        return True

    def _load_json(self, text: str, whole: bool) -> Any:
        def refuse(constant: str) -> Any:
            raise SetError(f"{constant} is not JSON")

        def finite(digits: str) -> float:
            if math.isinf(value := float(digits)):
                raise SetError(f"{digits if len(digits) < 30 else digits[:27] + '...'} is no number of 64 bits")
            return value

        decoder = json.JSONDecoder(parse_constant=refuse, parse_int=finite, parse_float=finite)
        try:
            if whole:
                return decoder.decode(text)
            value, end = decoder.raw_decode(text)
        except (json.JSONDecodeError, RecursionError) as e:
            raise SetError(f"not JSON: {e}") from None
        self.position += end
        return value
