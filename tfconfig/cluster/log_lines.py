"""Lines of several tasks' logs: their times, their order, and how they are printed."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TextIO

from tfconfig.terminal import escaped_line

LIFECYCLE = "lifecycle"  # in place of a task's name
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[-+]\d\d:\d\d)", re.ASCII)
_COLOURS = ("36", "32", "35", "33", "34", "96", "92", "95", "93", "94")


class LinePrinter:
    """Prints lines after the name of their task, escaped unless `raw`; threads may share it."""

    def __init__(self, names: Sequence[str], stream: TextIO, colour: bool, raw: bool = False) -> None:
        self._stream, self._raw = stream, raw
        self._width = max(len(name) for name in [LIFECYCLE, *names])
        self._lock = threading.Lock()
        self.broken = False  # the reader has closed the pipe, as `| head` does
        self._colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names) if colour}

    def line(self, name: str, text: str) -> None:
        """One line of a task."""
        prefix = f"{name:<{self._width}} |"
        if name in self._colours:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        with self._lock:
            try:
                self._stream.write(f"{prefix} {text if self._raw else escaped_line(text)}\n")
                self._stream.flush()
            except BrokenPipeError:
                self.broken = True


def split_time(line: str) -> tuple[str, str]:
    """The time that a node puts before a line, in UTC so that times compare as texts, and the line itself."""
    first, _, text = line.partition(" ")
    match = _TIME.fullmatch(first)
    if not match:
        return "", line
    seconds, fraction, zone = match.groups()
    if zone != "Z":
        try:
            seconds = datetime.fromisoformat(seconds + zone).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        except (ValueError, OverflowError):
            return "", line
    return f"{seconds}.{fraction or '':0<9}Z", text


def merged(logs: Mapping[str, str]) -> list[tuple[str, str]]:
    """(task, line) of several logs in the order of their times; a task's own lines keep their order."""
    stamped: list[tuple[str, str, str]] = []
    for name, log in logs.items():
        latest = ""
        for line in log.removesuffix("\n").split("\n") if log else ():
            time, text = split_time(line)
            latest = max(latest, time)
            stamped.append((latest, name, text))
    return [(name, text) for _, name, text in sorted(stamped, key=lambda item: item[0])]
