"""Diagnostics: what is wrong in a values file, where, and what to do. checking/reporters.py prints them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

ERROR = "error"
WARNING = "warning"

# What libyaml counts as the end of a line, so that our line numbers are its line numbers.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

_EXACT = 10**16  # from here on Python writes floats with an exponent


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
    """One error or warning: its rule, what is wrong, how to fix it, and where."""

    rule: str  # the id of a rule in the catalogue
    severity: str  # ERROR or WARNING
    message: str
    fix: str
    file: str
    line: int = 0  # from 1; 0: the place has no lines (a --set argument)
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    path: str = ""  # the value concerned: worker.replicas, program.command[0]

    @classmethod
    def at(cls, origin: Origin, rule: str, message: str, fix: str, path: str = "", severity: str = ERROR) -> Diagnostic:
        """A diagnostic at the place that set a value."""
        return cls(
            rule, severity, message, fix,
            origin.file, origin.line, origin.column, origin.end_line, origin.end_column, path,
        )  # fmt: skip


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether there is more than warnings."""
    return any(diagnostic.severity == ERROR for diagnostic in diagnostics)


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Without duplicates, by file and line; the order of the input makes no difference."""

    def key(d: Diagnostic) -> tuple[object, ...]:
        return (d.file, d.line, d.column, d.rule, d.path, *astuple(d))

    return sorted(dict.fromkeys(diagnostics), key=key)


@lru_cache(maxsize=8)  # a large file may have thousands of diagnostics
def lines(source: str) -> list[str]:
    """The lines of a file's text."""
    return _LINE_BREAK.split(source)


def spelt(value: Any) -> str:
    """A value as people write it in YAML: true, "", 1e+20; of a string with characters those alone."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and abs(value) >= _EXACT:
        value = float(value)  # its last digits are those of a float, and not of the file
    return json.dumps(value, ensure_ascii=False)


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
