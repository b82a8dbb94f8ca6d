"""What a check found: the place, what is wrong there, and what to do. How that is printed is in formats.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache

ERROR = "error"
WARNING = "warning"

# What libyaml counts as the end of a line, so that our line numbers are its line numbers.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


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


@lru_cache(maxsize=8)  # a large file may have thousands of findings
def lines(source: str) -> list[str]:
    """The lines of a file's text."""
    return _LINE_BREAK.split(source)


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
