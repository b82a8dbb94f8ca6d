"""A line of output as a terminal shows it in the end: what was drawn over, as by a progress bar, is gone. Pure."""

from __future__ import annotations

import re

MAX_LINE = 400  # characters

_ESCAPES = re.compile(r"\x1b(?!\[\d*[CDGKP])(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Text; back to the start, or by one; the cursor moved (C, D, G), the line erased (K) or cut (P).
_PARTS = re.compile(r"[^\r\b\x1b]+|[\r\b]|\x1b\[(\d*)([CDGKP])|\x1b")
_MAX_COLUMNS = 4_000  # columns: a program may move the cursor anywhere
_MAX_DRAWN = 64 * 1024  # characters of a line that are drawn


def redrawn(line: str, longest: int) -> str:
    """As `shown`, where something was drawn over what stood there; any other line as it is."""
    return shown(line, longest) if "\r" in line or "\b" in line else line


def shown(line: str, longest: int = MAX_LINE) -> str:
    """The line in the end, without colours and other controls, and with at most `longest` characters."""
    line = _ESCAPES.sub("", line)
    if "\r" in line or "\b" in line or "\x1b[" in line:
        line = _drawn(line)
    line = _CONTROLS.sub("", line).rstrip()
    return line if len(line) <= longest else f"{line[:longest]}…"


def _drawn(line: str) -> str:
    if len(line) > _MAX_DRAWN:  # a bar draws from the start again
        start = line.find("\r", len(line) - _MAX_DRAWN)
        line = line[start:] if start >= 0 else line[:_MAX_DRAWN]
    cells: list[str] = []
    at = 0
    for part in _PARTS.finditer(line):
        text, number, command = part[0], part[1], part[2]
        if text == "\r":
            at = 0
        elif text == "\b":
            at = max(0, at - 1)
        elif command == "K":
            if number in ("", "0"):
                del cells[at:]
            else:  # 1: up to the cursor, 2: all of it
                cells[: at + 1 if number == "1" else len(cells)] = " " * min(at + 1, len(cells))
        elif command == "P":
            del cells[at : at + int(number[:5] or 1)]
        elif command:
            steps = int(number[:5] or 1)
            at = min(max(0, {"C": at + steps, "D": at - steps, "G": steps - 1}[command]), _MAX_COLUMNS)
        else:
            cells += " " * (at - len(cells))
            text = text[: _MAX_COLUMNS - at]
            cells[at : at + len(text)] = text
            at += len(text)
    return "".join(cells)
