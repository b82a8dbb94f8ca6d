"""What the tasks of a local job print: each line with its task's name, in colour on a terminal, to files if wanted.

On a terminal the last line is a bar that tells how far the program is; elsewhere a plain line now and then.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from pathlib import Path
from typing import TextIO

from tfconfig.tensorflow_job.lifecycle.state import Progress
from tfconfig.tensorflow_job.task.job_spec import Task, name
from tfconfig.tensorflow_job.task.progress import words

TAIL_LINES = 20
# A program may print without ever ending a line; what is kept of one has to end somewhere.
MAX_LINE_BYTES = 64 * 1024
_COLOURS = {"chief": "36", "worker": "32", "ps": "35", "evaluator": "33"}
SELF = "tfconfig"
BAR_CELLS = 20
ERASE = "\r\033[K"  # the line that the cursor is on
# Between plain lines of progress.
PROGRESS_SECONDS = 30.0


class Console:
    """The one writer to standard output while tasks run.

    Raises OSError from the constructor when the folder for files cannot be made.
    """

    def __init__(self, tasks: list[Task], logs: Path | None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colour = self._stream.isatty()
        self._width = max([len(SELF), *(len(name(task)) for task in tasks)])
        self._tails: dict[Task, deque[str]] = {task: deque(maxlen=TAIL_LINES) for task in tasks}
        self._partial: dict[Task, bytes] = {}
        self._bar = ""
        self._told: Progress | None = None
        self._telling = 0.0
        self._logs = logs
        if logs:
            logs.mkdir(parents=True, exist_ok=True)
            for task in tasks:
                (logs / f"{name(task)}.log").write_bytes(b"")

    def say(self, text: str) -> None:
        """A line of the tool's own."""
        self._print(SELF, "1", text)

    def progress(self, told: Progress | None) -> None:
        """How far the program is; None: nothing is known."""
        if told is None or told == self._told:
            return
        if self._colour:
            self._told = told
            self._draw(bar(told, shutil.get_terminal_size().columns - 1))
        elif time.monotonic() >= self._telling:
            self._told, self._telling = told, time.monotonic() + PROGRESS_SECONDS
            self.say(words(vars(told)))

    def end(self) -> None:
        """Take the bar away: what follows is no longer about a running job."""
        self._draw("")

    def feed(self, task: Task, data: bytes) -> None:
        """Bytes a task printed; b"" at the end of its output."""
        if self._logs and data:
            with (self._logs / f"{name(task)}.log").open("ab") as file:
                file.write(data)
        pending = self._partial.pop(task, b"") + data
        *lines, rest = pending.split(b"\n")
        if rest and (not data or len(rest) > MAX_LINE_BYTES):
            lines, rest = [*lines, rest], b""
        if rest:
            self._partial[task] = rest
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            self._tails[task].append(text)
            self._print(name(task), _COLOURS[task.role], text)

    def tail(self, task: Task) -> list[str]:
        """The last lines the task printed."""
        return list(self._tails[task])

    def _print(self, who: str, colour: str, text: str) -> None:
        prefix = f"{who:<{self._width}} |"
        if self._colour:
            prefix = f"\033[{colour}m{prefix}\033[0m"
        below, self._bar = self._bar, ""
        self._stream.write(f"{ERASE if below else ''}{prefix} {text}\n")
        self._draw(below)

    def _draw(self, line: str) -> None:
        if line or self._bar:
            self._stream.write(f"{ERASE}{line}")
        self._bar = line
        self._stream.flush()


def bar(told: Progress, width: int) -> str:
    """One line of at most this many characters: `██████░░░░ step 1200 of 2000 (60 %), …`."""
    full = BAR_CELLS * min(told.step, told.total) // told.total if told.total else 0
    cells = "█" * full + "░" * (BAR_CELLS - full) + " " if told.total else ""
    return (cells + words(vars(told)))[:width]
