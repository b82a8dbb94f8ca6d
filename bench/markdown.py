"""Tables, prose and numbers in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from textwrap import fill
from typing import Any

from .measure import Row


def table(titles: str, rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table; `|` separates the titles."""
    lines = [f"| {titles} |", f"|{'---|' * (titles.count('|') + 1)}"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)]


def wrapped(line: str) -> str:
    """Prose in lines of 120 characters; tables and headings as they are."""
    indent = "  " if line.startswith("- ") else ""
    return line if line.startswith(("|", "#", "!")) else fill(line, 120, subsequent_indent=indent)


def seconds(row: Row, *keys: str) -> str:
    return f"{sum(row[key] for key in keys):.1f}" if all(key in row for key in keys) else ""


def figure(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


number: Callable[[int], str] = "{:,}".format
