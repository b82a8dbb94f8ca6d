"""The log of the lifecycle's pod: lines with a time, and no line again and again."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from .text import one_line
from .timestamps import format_time

REPEAT_SECONDS = 30.0  # between equal lines


class Log:
    """Writes lines to `out`, standard output unless given."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._quiet_until: dict[str, float] = {}

    def write(self, text: str) -> None:
        """A line, with the time. Control characters are escaped."""
        self._print(f"{format_time(time.time())} {one_line(text)}")

    def write_once(self, text: str) -> None:
        """A line, unless the same was written lately."""
        if self.is_due(text, REPEAT_SECONDS):
            self.write(text)

    def is_due(self, key: str, seconds: float) -> bool:
        """Whether `seconds` have passed since this was True for the same key."""
        now = time.monotonic()
        if now < self._quiet_until.get(key, 0.0):
            return False
        self._quiet_until = {other: until for other, until in self._quiet_until.items() if until > now}
        self._quiet_until[key] = now + seconds
        return True

    def write_block(self, lines: list[str]) -> None:
        """Lines without a time."""
        self._print("\n".join(lines))

    def _print(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
