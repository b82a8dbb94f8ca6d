"""Comments that silence a finding where it is: `# tfconfig: ignore[TFC150] the GPUs are shared`.

On the line of the finding, or alone on the lines above it. One that silences nothing is reported, so that none outlives
its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tfconfig.diagnostics import LINE_BREAK, WARNING, Diagnostic, Origin, finding

UNREADABLE, UNUSED, POLICY = "TFC001", "TFC009", "TFC400"
_COMMENT = re.compile(r"(?<!\S)#\s*tfconfig:\s*ignore\b(?:\[(?P<ids>[^\]]*)\])?")


@dataclass(frozen=True)
class _Ignore:
    """One id of a comment, and the line that it is about."""

    origin: Origin
    line: int
    id: str  # or a prefix of ids; empty: none is named


def apply(found: Iterable[Diagnostic], sources: Mapping[str, str]) -> list[Diagnostic]:
    """The findings that no comment silences, and a warning for each comment without use."""
    found = list(found)
    unreadable = {d.file for d in found if d.rule == UNREADABLE}
    ignores = [one for file, text in sources.items() if file not in unreadable for one in _ignores(file, text)]
    used: set[_Ignore] = set()
    kept: list[Diagnostic] = []
    for d in found:
        matching = [
            i for i in ignores if i.id and (i.origin.file, i.line) == (d.file, d.line) and d.rule.startswith(i.id)
        ]
        used.update(matching)
        if not matching:
            kept.append(d)
    return [*kept, *(_unused(one) for one in ignores if one not in used)]


def _unused(ignore: _Ignore) -> Diagnostic:
    if not ignore.id:
        return finding(
            UNUSED, ignore.origin, "this comment names no rule, so it silences nothing",
            "write the rule's id: # tfconfig: ignore[TFC150] reason", severity=WARNING,
        )  # fmt: skip
    message = f"ignore[{ignore.id}] silences nothing at line {ignore.line}"
    return finding(UNUSED, ignore.origin, message, "remove it", severity=WARNING)


def _ignores(file: str, text: str) -> Iterator[_Ignore]:
    if "tfconfig:" not in text:
        return
    lines = LINE_BREAK.split(text)
    places = [(number, match) for number, line in enumerate(lines) for match in _COMMENT.finditer(line)]
    scalars = list(_scalars(text)) if places else []
    for number, match in places:
        if any(start <= (number, match.start()) < end for start, end in scalars):
            continue  # part of a text: a program that travels in program.files
        about = number
        if not lines[number][: match.start()].strip():  # alone on its line
            while about < len(lines) - 1 and (not lines[about].strip() or lines[about].lstrip().startswith("#")):
                about += 1
        origin = Origin(file, number + 1, match.start() + 1, number + 1, match.end() + 1)
        ids = [one.strip().upper() for one in (match["ids"] or "").split(",")]
        for one in [name for name in ids if name] or [""]:
            yield _Ignore(origin, about + 1, one)


def _scalars(text: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where texts and numbers stand: (line, column) of start and end, from 0."""
    import yaml

    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(token, yaml.ScalarToken):
                start, end = token.start_mark, token.end_mark
                yield (start.line, start.column), (end.line, end.column)
    except yaml.YAMLError:
        return
