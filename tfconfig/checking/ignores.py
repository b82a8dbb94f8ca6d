"""Comments that silence a finding where it is: `# tfconfig: ignore[TFC150] the GPUs are shared`.

On the line of the finding, or alone on the lines above it. One that silences nothing is reported, so that none outlives
its reason.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tfconfig.diagnostics import WARNING, Diagnostic, Origin, finding, lines

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
    by_place: dict[tuple[str, int], list[_Ignore]] = {}
    for one in ignores:
        by_place.setdefault((one.origin.file, one.line), []).append(one)
    used: set[_Ignore] = set()
    kept: list[Diagnostic] = []
    for d in found:
        here = by_place.get((d.file, d.line), []) if d.rule != POLICY else []  # a policy is the team's to relax
        matching = [one for one in here if one.id and d.rule.startswith(one.id)]
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
    places = [(number, match) for number, line in enumerate(lines(text)) for match in _COMMENT.finditer(line)]
    scalars = list(_scalars(text)) if places else []
    below = _next_with_content(lines(text))
    for number, match in places:
        before = bisect.bisect(scalars, ((number, match.start()), (math.inf, 0))) - 1
        if before >= 0 and (number, match.start()) < scalars[before][1]:
            continue  # part of a text: a program that travels in program.files
        alone = not lines(text)[number][: match.start()].strip()
        about = below[number] if alone else number
        origin = Origin(file, number + 1, match.start() + 1, number + 1, match.end() + 1)
        ids = [one.strip().upper() for one in (match["ids"] or "").split(",")]
        for one in [name for name in ids if name] or [""]:
            yield _Ignore(origin, about + 1, one)


def _next_with_content(texts: Sequence[str]) -> list[int]:
    """For each line, the first at or below it that is more than a comment; the last line where there is none."""
    below = list(range(len(texts)))
    for number in range(len(texts) - 2, -1, -1):
        if not texts[number].strip() or texts[number].lstrip().startswith("#"):
            below[number] = below[number + 1]
    return below


def _scalars(text: str) -> Iterator[tuple[tuple[float, int], tuple[float, int]]]:
    """Where texts and numbers stand: (line, column) of start and end, from 0."""
    import yaml

    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(token, yaml.ScalarToken):
                start, end = token.start_mark, token.end_mark
                yield (start.line, start.column), (end.line, end.column)
    except yaml.YAMLError:
        return
