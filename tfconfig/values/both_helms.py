"""A values file as Helm 3 and Helm 4 read it: where the two differ, it means two jobs and is refused.

Helm 3 hands the whole file to its YAML parser, which reads the first document. Helm 4 first splits it at lines that
start with `---`, whatever they are to YAML, reads each part and merges them; it also adds a last line break.
https://github.com/helm/helm/blob/main/pkg/chart/v2/loader/load.go (LoadValues),
https://github.com/kubernetes/apimachinery/blob/master/pkg/util/yaml/decoder.go (YAMLReader)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tfconfig.diagnostics import Diagnostic, Origin, lines
from tfconfig.values import helm_yaml
from tfconfig.values.helm_yaml import Document, Node, plain
from tfconfig.values.merge import merge_maps

RULE = "TFC005"
_SEPARATOR = b"---"
_MARK = "\ufeff"
_SPLIT = "keep one document per file, and quote or indent whatever else starts with ---"


@dataclass(frozen=True)
class _Part:
    """One document of Helm 4's: its text, and where in the file the line that it starts with begins."""

    text: bytes
    start: int
    valid: bool = True  # the separator before it is one that Helm 4 accepts


def read(data: bytes, file: str) -> Document:
    """Read the bytes of a values file. Never raises: errors are in the Document's diagnostics."""
    document = helm_yaml.read(data, file)
    if any(diagnostic.rule in ("TFC001", "TFC002") for diagnostic in document.diagnostics):
        return document
    if _MARK in document.text:
        line = len(lines(document.text.partition(_MARK)[0]))
        origin, message = (
            Origin(file, line, 1, line, 1),
            "a byte order mark (U+FEFF) inside the file, where Helm may refuse it",
        )
        document.diagnostics.append(Diagnostic.at(origin, "TFC001", message, "remove it; an editor may not show it"))
        return document
    parts = list(_parts(data))
    if [part.text for part in parts] != [data] and not _same(parts, document):
        document.diagnostics.append(_difference(parts, document))
    return document


def _same(parts: list[_Part], document: Document) -> bool:
    """Whether Helm 4 accepts all parts and makes the same values of them as Helm 3 does of the file."""
    values = Node({}, document.root.origin)
    for part in parts:
        read = helm_yaml.read(part.text, document.file)
        if not part.valid or any(diagnostic.rule != "TFC003" for diagnostic in read.diagnostics):
            return False
        merge_maps(values, read.root)
    return json.dumps(plain(values), sort_keys=True) == json.dumps(plain(document.root), sort_keys=True)


def _difference(parts: list[_Part], document: Document) -> Diagnostic:
    wrong = next((part for part in parts if not part.valid), None)
    if wrong or len(parts) > 1:
        message = "Helm 4 starts a new document at this line, and Helm 3 does not"
        if wrong:
            message = "Helm 4 refuses a line that starts with --- and has more than a comment after it"
        line = _line(document, (wrong or parts[1]).start)
        return Diagnostic.at(Origin(document.file, line, 1, line, 4), RULE, message, _SPLIT)
    line = len(lines(document.text))
    message = "the last line has no line break: Helm 4 reads one and Helm 3 does not"
    return Diagnostic.at(
        Origin(document.file, line, 1, line, 1), RULE, message, "save the file as UTF-8, with a line break at its end"
    )


def _line(document: Document, start: int) -> int:
    """The number of the line that begins at this byte of the file."""
    encoded = document.text.encode("utf-8", errors="replace")  # of UTF-16 a guess
    return len(lines(encoded[:start].decode("utf-8", errors="replace")))


def _parts(data: bytes) -> Iterator[_Part]:
    """The documents that Helm 4 splits a file into."""
    buffer: list[bytes] = []
    start = offset = 0
    valid = True
    for line in data.removesuffix(b"\n").split(b"\n") if data else ():
        text = line.removesuffix(b"\r")
        if text.startswith(_SEPARATOR):
            after = text.removeprefix(_SEPARATOR).decode("utf-8", errors="replace").strip()
            accepted = not after or after.startswith("#")
            if buffer or not accepted:
                if buffer:
                    yield _Part(b"".join(buffer), start, valid)
                buffer, start, valid = [], offset, accepted
                offset += len(line) + 1
                continue
        buffer.append(text + b"\n")
        offset += len(line) + 1
    if buffer or not valid:
        yield _Part(b"".join(buffer), start, valid)
