"""Text for terminals: tables, labelled lines, durations, colours, and control characters escaped."""

from __future__ import annotations

import io
import os
import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import TextIO

COLUMN_GAP = 2
MIN_LAST_COLUMN = 28  # characters; the last column of a table has the longest text
MIN_COLUMN = 8
MAX_WIDTH = 160
INTERRUPTED = 130  # the exit status after Ctrl-C, as of a shell: not 1, which would mean that the job has failed
UNLIMITED = 1_000_000
_CI_COMMAND = re.compile(r"^(\s*):(?=:[A-Za-z])|#(?=#\[)")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def size() -> tuple[int, int]:
    """Columns and rows to print in: those of the terminal, at most MAX_WIDTH columns; 80 by 24 without a terminal."""
    terminal = shutil.get_terminal_size()
    return min(terminal.columns, MAX_WIDTH), terminal.lines


def width() -> int:
    """The number of columns to print in."""
    return size()[0]


def list_width(stream: TextIO) -> int:
    """The number of columns for a list of a line each: unlimited where no terminal shows it, as for grep."""
    return width() if stream.isatty() else UNLIMITED


def redraws(stream: TextIO) -> bool:
    """Whether what was printed can be printed over."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def encodes(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def escape_unknown(stream: TextIO) -> None:
    """From now on escape what its encoding lacks: programs print any character, and a job must not end of one."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def colour_wanted(stream: TextIO) -> bool:
    """Whether to print in colour (no-color.org; FORCE_COLOR is for CIs whose logs show colours)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or redraws(stream)


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], columns: int, shorten: bool = True, one_line: bool = False
) -> list[str]:
    """Lines of at most `columns` characters: the last column is wrapped, others lose their middle if necessary.

    Without `shorten` only the last column gives way; with `one_line` each row is a line, and the last column is cut.
    """
    cells = [[visible(cell) for cell in row] for row in [head, *rows]]
    if not any(row[-1] for row in cells[1:]):
        cells = [row[:-1] for row in cells]
        last = 0
    else:
        last = min(MIN_LAST_COLUMN, max(len(row[-1]) for row in cells))
    count = len(cells[0]) - bool(last)
    widths = [max(len(row[column]) for row in cells) for column in range(count)]
    while shorten and widths and sum(widths) + COLUMN_GAP * len(widths) + last > columns and max(widths) > MIN_COLUMN:
        widths[widths.index(max(widths))] -= 1
    left = max(columns - sum(widths) - COLUMN_GAP * len(widths), MIN_COLUMN)
    lines: list[str] = []
    for row in cells:
        start = "".join(
            f"{_shortened(cell, size):<{size + COLUMN_GAP}}" for cell, size in zip(row, widths, strict=False)
        )
        wrapped = [_cut(row[-1], left)] if last and one_line else _wrapped(row[-1], left) if last else []
        lines.append((start + (wrapped[0] if wrapped else "")).rstrip())
        lines += [" " * len(start) + line for line in wrapped[1:]]
    return lines


def labelled(pairs: Sequence[tuple[str, str]], columns: int) -> list[str]:
    """Lines `label  text` with the texts aligned and wrapped; pairs without text are left out."""
    shown = [(label, visible(text)) for label, text in pairs if text]
    size = max((len(label) for label, _ in shown), default=0) + COLUMN_GAP
    lines: list[str] = []
    for label, text in shown:
        wrapped = _wrapped(text, max(columns - size, MIN_LAST_COLUMN))
        lines += [f"{label if not number else '':<{size}}{line}" for number, line in enumerate(wrapped)]
    return lines


def discard(stream: TextIO) -> None:
    """After an error: what is left to be written goes nowhere, so that Python's exit does not fail as well."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def visible(text: str) -> str:
    """The text on one line, with control characters escaped."""
    return escaped(" ".join(text.split()))


def escaped(text: str) -> str:
    """The text with control characters escaped: what files and programs contain must not control the terminal.

    Nor the CI: GitHub's runner takes `::name` at the start of a line and `##[name]` anywhere in it for commands
    (actions/runner, ActionCommand.cs).
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _CI_COMMAND.sub(lambda match: f"{match[1]}\\x3a" if match[0].endswith(":") else "\\x23", shown)


def escaped_line(text: str) -> str:
    """A line that a program printed, with control characters escaped but for tabs."""
    return "\t".join(escaped(part) for part in text.split("\t"))


def _wrapped(text: str, size: int) -> list[str]:
    """Lines of a text; where it is wrapped, a `::name` in it comes to the start of a line."""
    return [escaped(line) for line in textwrap.wrap(text, size, break_on_hyphens=False)]


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size - 1].rstrip()}…"


def _shortened(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    end = (size - 1) // 2
    return f"{text[: size - 1 - end]}…{text[len(text) - end :]}"


def parse_duration(text: str) -> float:
    """Seconds of `0`, `90s`, `10m`, `1h30m`, `2d`; raises ValueError for anything else.

    A number alone may have been meant as hours, and kubectl refuses it too (Go's time.ParseDuration).
    """
    if text == "0":
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write 90s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
