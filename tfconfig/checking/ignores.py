"""Which diagnostics are reported: comments in the values files and the options --select and --ignore.

A comment `# tfconfig: ignore[TFC150] the GPUs are shared` is about the diagnostics of its line, or, alone on a line, of
the next line with content. A comment that ignores nothing is reported, so that none outlives its reason. No comment and
no option ignores what would leave the other checks blind: a file that is not read, or read in two ways.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tfconfig.checking import limits
from tfconfig.diagnostics import WARNING, Diagnostic, Origin, lines
from tfconfig.values.libyaml import loader

UNREADABLE, UNUSED, POLICY = "TFC001", "TFC009", "TFC400"
BLIND = frozenset((UNREADABLE, "TFC002", "TFC003", "TFC005", "TFC006", "TFC401", limits.RULE))
_COMMENT = re.compile(r"(?<!\S)#\s*tfconfig:\s*ignore\b(?:\[(?P<ids>[^\]\[#]*)\])?")


def is_ignore(comment: str) -> bool:
    """Whether a comment, with its #, or another one inside it, ignores diagnostics."""
    return bool(_COMMENT.search(comment))


@dataclass(frozen=True)
class _Ignore:
    """One id of a comment, and the line that it is about."""

    origin: Origin
    line: int
    id: str  # or a prefix of ids; empty: the comment names none


def apply(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, str],
    allowed: Callable[[Diagnostic], bool] = lambda _: True,
) -> list[Diagnostic]:
    """The diagnostics that no comment ignores, and a warning for each comment without effect.

    `sources`: the text of each values file. `allowed`: whether the policies let a comment ignore a diagnostic.
    """
    diagnostics = list(diagnostics)
    unreadable = {diagnostic.file for diagnostic in diagnostics if diagnostic.rule == UNREADABLE}
    ignores = [ignore for file, text in sources.items() if file not in unreadable for ignore in _ignores(file, text)]
    by_place: dict[tuple[str, int], list[_Ignore]] = {}
    for ignore in ignores:
        by_place.setdefault((ignore.origin.file, ignore.line), []).append(ignore)
    used: set[_Ignore] = set()
    forbidden: set[_Ignore] = set()
    kept: list[Diagnostic] = []
    for diagnostic in diagnostics:
        here = by_place.get((diagnostic.file, diagnostic.line), [])
        matching = [i for i in here if i.id and diagnostic.rule.startswith(i.id)]
        # Only its owners may relax a policy.
        if diagnostic.rule in BLIND or diagnostic.rule == POLICY or not allowed(diagnostic):
            forbidden.update(matching)
            matching = []
        used.update(matching)
        if not matching:
            kept.append(diagnostic)
    unused = (_unused(ignore, ignore in forbidden) for ignore in ignores if ignore not in used)
    return [*kept, *limits.first(unused)]


def chosen(diagnostics: Iterable[Diagnostic], select: Sequence[str], ignore: Sequence[str]) -> list[Diagnostic]:
    """The diagnostics that --select and --ignore leave, by prefixes of rule ids.

    That a file cannot be read, has two meanings, or has more errors, is reported whatever they say.
    """
    return [
        diagnostic
        for diagnostic in diagnostics
        if diagnostic.rule in BLIND
        or ((not select or diagnostic.rule.startswith(tuple(select))) and not diagnostic.rule.startswith(tuple(ignore)))
    ]


def _unused(ignore: _Ignore, forbidden: bool) -> Diagnostic:
    if forbidden:
        message = f"ignore[{ignore.id}] has no effect: this may not be ignored here"
        fix = "remove it, and fix what it is about; with a policy, ask its owners"
    elif ignore.id:
        message, fix = f"ignore[{ignore.id}] has no effect: line {ignore.line} has no such diagnostic", "remove it"
    else:
        message, fix = "this comment names no rule", "write the id of the rule: # tfconfig: ignore[TFC150] reason"
    return Diagnostic.at(ignore.origin, UNUSED, message, fix, severity=WARNING)


def _ignores(file: str, text: str) -> Iterator[_Ignore]:
    if "tfconfig:" not in text:
        return
    places = [(number, match) for number, line in enumerate(lines(text)) for match in _COMMENT.finditer(line)]
    scalars = list(_scalars(text)) if places else []
    below = _next_with_content(lines(text))
    for number, match in places:
        before = bisect.bisect(scalars, ((number, match.start()), (math.inf, 0))) - 1
        if before >= 0 and (number, match.start()) < scalars[before][1]:
            continue  # part of a string: a program in program.files
        alone = not lines(text)[number][: match.start()].strip()
        target = below[number] if alone else number
        origin = Origin(file, number + 1, match.start() + 1, number + 1, match.end() + 1)
        ids = [id.strip().upper() for id in (match["ids"] or "").split(",")]
        for id in [id for id in ids if id] or [""]:
            yield _Ignore(origin, target + 1, id)


def _next_with_content(texts: Sequence[str]) -> list[int]:
    """For each line, the first at or below it that is more than a comment; the last line where there is none."""
    below = list(range(len(texts)))
    for number in range(len(texts) - 2, -1, -1):
        if not texts[number].strip() or texts[number].lstrip().startswith("#"):
            below[number] = below[number + 1]
    return below


def _scalars(text: str) -> Iterator[tuple[tuple[float, int], tuple[float, int]]]:
    """The start and end of each scalar: (line, column), from 0."""
    import yaml

    try:
        for token in yaml.scan(text, Loader=loader()):
            if isinstance(token, yaml.ScalarToken):
                start, end = token.start_mark, token.end_mark
                yield (start.line, start.column), (end.line, end.column)
    except yaml.YAMLError:
        return
