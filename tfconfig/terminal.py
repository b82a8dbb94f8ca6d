"""Tables, durations and labelled lines for a terminal of some width."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from itertools import pairwise

GAP = 2
LAST = 28  # columns that the last column gets at least
SHORTEST = 8  # and any other one that has to give
WIDEST = 160
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def size() -> tuple[int, int]:
    """The columns to print in and the rows there are: those of the terminal, 80 by 24 where there is none."""
    terminal = shutil.get_terminal_size()
    return min(terminal.columns, WIDEST), terminal.lines


def width() -> int:
    """The columns alone."""
    return size()[0]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """Lines of at most `columns`: the last column is wrapped, others are shortened in their middle where they must."""
    cells = [[visible(cell) for cell in row] for row in [head, *rows]]
    if not any(row[-1] for row in cells[1:]):
        cells = [row[:-1] for row in cells]
        last = 0
    else:
        last = min(LAST, max(len(row[-1]) for row in cells))
    count = len(cells[0]) - bool(last)
    widths = [max(len(row[column]) for row in cells) for column in range(count)]
    while widths and sum(widths) + GAP * len(widths) + last > columns and max(widths) > SHORTEST:
        widths[widths.index(max(widths))] -= 1
    left = max(columns - sum(widths) - GAP * len(widths), SHORTEST)
    lines: list[str] = []
    for row in cells:
        start = "".join(f"{_shortened(cell, size):<{size + GAP}}" for cell, size in zip(row, widths, strict=False))
        wrapped = textwrap.wrap(row[-1], left, break_on_hyphens=False) if last else []
        lines.append((start + (wrapped[0] if wrapped else "")).rstrip())
        lines += [" " * len(start) + line for line in wrapped[1:]]
    return lines


def labelled(pairs: Sequence[tuple[str, str]], columns: int) -> list[str]:
    """`label  text` lines, the texts below each other and wrapped; those without text are left out."""
    shown = [(label, visible(text)) for label, text in pairs if text]
    size = max((len(label) for label, _ in shown), default=0) + GAP
    lines: list[str] = []
    for label, text in shown:
        wrapped = textwrap.wrap(text, max(columns - size, LAST), break_on_hyphens=False)
        lines += [f"{label if not number else '':<{size}}{line}" for number, line in enumerate(wrapped)]
    return lines


def visible(text: str) -> str:
    """On one line, control characters escaped: what a program says must not be able to drive the reader's terminal."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)


def _shortened(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    end = (size - 1) // 2
    return f"{text[: size - 1 - end]}…{text[len(text) - end :]}"


def duration(seconds: float) -> str:
    """A time span in its two largest units: `2 h 7 min`; clocks that disagree make no negative one."""
    left = max(int(seconds), 0)
    sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (unit, size), (below, smaller) in pairwise(sizes):
        if left >= size:
            rest = left % size // smaller
            return f"{left // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{left} s"


def parse_duration(text: str) -> float:
    """Seconds of `90`, `90s`, `10m`, `1h30m`, `2d`; raises ValueError for anything else."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no time span; write 90s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
