"""What a check found, and how it is shown: one function per output format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace

ERROR = "error"
WARNING = "warning"

# What libyaml counts as the end of a line, so that our line numbers are its line numbers.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_SNIPPET_WIDTH = 160


@dataclass(frozen=True)
class Origin:
    """A place that set a value: a span of a file, or (line 0) something without lines, such as a --set argument.

    Lines and columns start at 1; the end column is the first one after the span.
    """

    file: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    default: bool = False  # set by the chart's own values.yaml, not by the user

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Diagnostic:
    """One finding: what was found, what to do about it, and where."""

    rule: str
    severity: str  # ERROR or WARNING
    message: str
    fix: str
    file: str
    line: int = 0  # from 1; 0: the place has no lines (a --set argument)
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    path: str = ""  # the value concerned: worker.replicas, program.command[0]


def finding(rule: str, origin: Origin, message: str, fix: str, path: str = "", severity: str = ERROR) -> Diagnostic:
    """A Diagnostic at an origin."""
    return Diagnostic(
        rule, severity, message, fix,
        origin.file, origin.line, origin.column, origin.end_line, origin.end_column, path,
    )  # fmt: skip


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Without repetitions, in the order of a file's lines; the same input always gives the same output."""

    def key(d: Diagnostic) -> tuple[object, ...]:
        return (d.file, d.line, d.column, d.rule, d.path, *astuple(d))

    return sorted(dict.fromkeys(diagnostics), key=key)


def dotted(path: Sequence[str | int]) -> str:
    """A path as people write it: worker.replicas, program.command[0], program.files.'train.py'."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if re.fullmatch(r"[A-Za-z0-9_/-]+", part) else f"'{part}'"
            text += f".{shown}" if text else shown
    return text


def _visible(text: str) -> str:
    """Control characters escaped: a values file must not be able to drive the reader's terminal."""
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)


def _snippet(diagnostic: Diagnostic, source: str) -> list[str]:
    lines = _LINE_BREAK.split(source)
    if not 1 <= diagnostic.line <= len(lines) or not lines[diagnostic.line - 1].strip():
        return []
    raw = lines[diagnostic.line - 1]
    start = max(diagnostic.column - 1, 0)
    one_line = diagnostic.end_line == diagnostic.line
    end = diagnostic.end_column - 1 if one_line else len(raw.rstrip())
    offset = 0 if end <= _SNIPPET_WIDTH else min(start, len(raw))
    before, marked = _visible(raw[offset:start]), _visible(raw[start:end])
    line = _visible(raw[offset : offset + _SNIPPET_WIDTH])
    carets = "^" * max(min(len(marked), _SNIPPET_WIDTH - len(before)), 1)
    number = str(diagnostic.line)
    return [f"  {number} | {line}", f"  {' ' * len(number)} | {' ' * len(before)}{carets}"]


def text(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """For people: the place, what was found, the line with carets under it, and what to do."""
    out: list[str] = []
    for d in diagnostics:
        place = f"{d.file}:{d.line}:{d.column}" if d.line else d.file
        out.append(f"{_visible(place)}: {d.severity} {d.rule}: {_visible(d.message)}")
        out.extend(_snippet(d, sources.get(d.file, "")))
        if d.fix:
            out.append(f"  fix: {_visible(d.fix)}")
    return "".join(line + "\n" for line in out)


def as_json(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:  # noqa: ARG001
    """For programs; `version` changes when a field changes its meaning or goes."""
    keys = {"end_line": "endLine", "end_column": "endColumn"}
    entries = [{keys.get(k, k): v for k, v in vars(replace(d)).items()} for d in diagnostics]
    return json.dumps({"version": 1, "diagnostics": entries}, indent=2) + "\n"


# --format NAME; each takes the ordered findings and the text of each file they name.
FORMATS: dict[str, Callable[[Sequence[Diagnostic], Mapping[str, str]], str]] = {"text": text, "json": as_json}
