"""What a program printed last, with the reason of its failure in it. Pure.

A progress bar draws thousands of times over one line, and TensorFlow prints dozens of lines of its own while a program
dies: the lines that a terminal would show are kept, and the line that says why wherever it is.
"""

from __future__ import annotations

from .drawn import shown
from .error_lines import find, last_traceback
from .text import plural

LINES_AFTER = 5  # of the lines after the reason, where that is not among the last ones


def tail(text: str, count: int) -> list[str]:
    """The last lines as a terminal shows them; if the reason stands before them, its end instead of the first."""
    lines = [shown(line) for line in text.rstrip().split("\n")]
    span = last_traceback(lines)
    if span is None:
        reason = find(lines)
        span = (reason.start, reason.start) if reason.sure else None
    if span is None or span[1] >= len(lines) - count:
        return lines[-count:] if text.strip() else []
    start, end = span
    head = lines[max(start, end - (count - LINES_AFTER - 2)) : end + 1]
    return [*head, f"({plural(len(lines) - LINES_AFTER - end - 1, 'line')} left out)", *lines[-LINES_AFTER:]]
