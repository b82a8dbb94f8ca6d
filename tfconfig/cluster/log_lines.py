"""Lines of several tasks' logs: their times, their order, and how they are printed."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TextIO

from tfconfig.tensorflow_job.lifecycle.drawn import redrawn
from tfconfig.terminal import escaped_line

MAX_SHOWN = 64 * 1024  # characters of a line that was drawn over
LIFECYCLE = "lifecycle"  # in place of a task's name
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[-+]\d\d:\d\d)", re.ASCII)
_COLOURS = ("36", "32", "35", "33", "34", "96", "92", "95", "93", "94")


class LinePrinter:
    """Prints lines after the name of their task, escaped unless `raw`; threads may share it."""

    def __init__(
        self, names: Sequence[str], stream: TextIO, colour: bool, raw: bool = False,
        timestamps: bool = False, as_json: bool = False,
    ) -> None:  # fmt: skip
        self._stream, self._raw, self._timestamps, self._json = stream, raw, timestamps, as_json
        self._width = max(len(name) for name in [LIFECYCLE, *names])
        self._lock = threading.Lock()
        self.broken = False  # the reader has closed the pipe, as `| head` does
        self._colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names) if colour}

    def line(self, name: str, text: str, time: str = "") -> None:
        """One line of a task; its time, if it is known, as split_time() has it."""
        if self._json:
            self._write(json.dumps({"task": name, "time": time or None, "line": text}))
            return
        prefix = f"{name:<{self._width}} |"
        if name in self._colours:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        if self._timestamps and time:
            prefix += f" {time}"
        if not self._raw:
            text = escaped_line(redrawn(text, MAX_SHOWN))
        self._write(f"{prefix} {text}")

    def _write(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except BrokenPipeError:
                self.broken = True


def parts(read: Callable[[], bytes]) -> Iterator[bytes]:
    """What `read` brings: lines, and parts of long ones, which end where a progress bar begins to draw anew."""
    held = b""
    for data in iter(read, b""):
        part, held = held + data, b""
        cut = part.rfind(b"\r")
        if cut > 0 and not part.endswith(b"\n"):
            part, held = part[:cut], part[cut:]
        yield part
    if held:
        yield held


def is_refusal(line: str) -> bool:
    """Whether the kubelet says in the place of the log that it cannot read it (kubelet_pods.go)."""
    return line.startswith("unable to retrieve container logs for ")


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
    return [(name, text) for _, name, text in merged_with_times(logs)]


def merged_with_times(logs: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(time, task, line) in the same order; a line without a time has that of the line before."""
    stamped: list[tuple[str, str, str]] = []
    for name, log in logs.items():
        latest = ""
        for line in log.removesuffix("\n").split("\n") if log else ():
            time, text = split_time(line)
            latest = max(latest, time)
            stamped.append((latest, name, text))
    return sorted(stamped, key=lambda item: item[0])
