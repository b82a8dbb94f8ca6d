"""What a program printed last, with the reason of its failure in it. Pure.

A progress bar draws thousands of times over one line, and TensorFlow prints dozens of lines of its own while a program
dies: the lines that a terminal would show are kept, and the last traceback wherever it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_LINE = 400  # characters
AFTER = 5  # of the lines after a traceback that is not among the last ones

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TRACEBACK = "Traceback (most recent call last):"
_ERROR = re.compile(r"[A-Za-z_][\w.]*(: .*)?")
# Lines that say nothing of why a program ended, although they come last: logs of TensorFlow's C++ and of absl, and
# what Python could not raise while it ended.
_NOISE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |[IWE]\d{4} \d\d:\d\d:\d\d|tensorflow-job: |\s|\[\[\{\{|"
    r"Additional GRPC|:?\{\"created\"|Exception ignored in|(INFO|WARNING|ERROR):(tensorflow|absl):|$"
)


def tail(text: str, count: int) -> list[str]:
    """The last lines as a terminal shows them; if the last traceback ends before them, its end instead of the first."""
    lines = [shown(line) for line in text.rstrip().split("\n")]
    found = _last_traceback(lines)
    if found is None or found[1] >= len(lines) - count:
        return lines[-count:] if text.strip() else []
    start, end = found
    head = lines[max(start, end - (count - AFTER - 2)) : end + 1]
    return [*head, f"({len(lines) - AFTER - end - 1} lines left out)", *lines[-AFTER:]]


def error(text: str) -> str:
    """The error that a Python program ended with: `ValueError: bad shape`; "" where it is not sure that it did."""
    lines = [shown(line) for line in text.rstrip().split("\n")]
    found = _last_traceback(lines)
    if found is None:
        return ""
    _, end = found
    rest = _without_ignored(lines[end + 1 :])
    return lines[end] if all(_NOISE.match(line) for line in rest) else ""


def _last_traceback(lines: Sequence[str]) -> tuple[int, int] | None:
    """Where the last traceback begins and where its error is, of those that Python raised."""
    for start in range(len(lines) - 1, -1, -1):
        if lines[start] != _TRACEBACK or (start and lines[start - 1].startswith("Exception ignored in")):
            continue
        for end in range(start + 1, len(lines)):
            if lines[end] and not lines[end][0].isspace():
                if _ERROR.fullmatch(lines[end]):
                    return start, end
                break  # other output in between: somebody else's
    return None


def _without_ignored(lines: Sequence[str]) -> list[str]:
    """The lines without errors that Python ignored while it ended, which have a traceback too."""
    kept: list[str] = []
    ignored = False
    for line in lines:
        if line.startswith("Exception ignored in"):
            ignored = True
        elif ignored and line and line != _TRACEBACK and not line[0].isspace():
            ignored = False
        elif not ignored:
            kept.append(line)
    return kept


def shown(line: str) -> str:
    """A line as a terminal shows it in the end: what was drawn over is gone."""
    line = _ESCAPES.sub("", line)
    if "\r" in line or "\b" in line:
        cells: list[str] = []
        at = 0
        for character in line:
            if character == "\r":
                at = 0
            elif character == "\b":
                at = max(0, at - 1)
            else:
                cells[at : at + 1] = [character]
                at += 1
        line = "".join(cells)
    line = _CONTROLS.sub("", line).rstrip()
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"
