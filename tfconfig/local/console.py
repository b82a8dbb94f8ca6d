"""The output of a local job's tasks: each line after its task's name, in colour if wanted, and to files if wanted.

On a terminal the last line is a progress bar; elsewhere progress is a line now and then.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from dataclasses import replace
from typing import TextIO

from tfconfig import terminal
from tfconfig.local.kept_logs import KeptLogs
from tfconfig.tensorflow_job.lifecycle.drawn import redrawn
from tfconfig.tensorflow_job.lifecycle.state import Progress
from tfconfig.tensorflow_job.lifecycle.text import progress_text
from tfconfig.tensorflow_job.task.job_spec import Task, name

READ_LINES = 400  # of a process, that are looked at for the reason of its failure
# A program may print without ever ending a line; what is kept of one has to end somewhere.
MAX_LINE_BYTES = 64 * 1024
_COLOURS = {"chief": "36", "worker": "32", "ps": "35", "evaluator": "33"}
SELF = "tfconfig"
BAR_CELLS, FULL, EMPTY = 20, "█", "░"
ERASE = "\r\033[K"  # the line that the cursor is on
# Between plain lines of progress.
PROGRESS_SECONDS = 30.0


class Console:
    """The one writer to standard output while tasks run."""

    def __init__(self, tasks: list[Task], logs: KeptLogs | None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.broken = False  # the reader has closed the pipe, as `| head` does; or nothing more can be written
        self.error = ""  # why, in the second case
        self._redraws = terminal.redraws(self._stream) and terminal.encodes(self._stream, FULL + EMPTY)
        self._colour = terminal.colour_wanted(self._stream)
        self._width = max([len(SELF), *(len(name(task)) for task in tasks)])
        self._tails: dict[Task, deque[str]] = {task: deque(maxlen=READ_LINES) for task in tasks}
        self._ended: dict[Task, deque[str]] = {}  # of the process before
        self._partial: dict[Task, bytes] = {}
        self._bar = ""
        self._shown: Progress | None = None
        self._next_line = 0.0  # of progress, by time.monotonic()
        self._logs = logs

    def say(self, text: str) -> None:
        """A line of the tool's own."""
        self._print(SELF, "1", text)

    def progress(self, progress: Progress | None) -> None:
        """The progress of the program; None: unknown."""
        if progress is None or progress == self._shown:
            return
        if self._redraws:
            self._shown = progress
            self._draw(bar(progress, shutil.get_terminal_size().columns - 1))
        elif time.monotonic() >= self._next_line:
            self._shown, self._next_line = progress, time.monotonic() + PROGRESS_SECONDS
            self.say(progress_text(progress))

    def end(self) -> None:
        """Remove the bar: what follows is no longer about a running job."""
        self._draw("")

    def feed(self, task: Task, data: bytes) -> None:
        """Bytes a task printed; b"" at the end of its output."""
        if self._logs and data and not self._logs.error:
            self._logs.add(task, data)
            if self._logs.error:
                self.say(f"WARNING: --logs {self._logs.error}; the job goes on, and its output is no longer kept")
        pending = self._partial.pop(task, b"") + data
        *lines, rest = pending.split(b"\n")
        if rest and (not data or len(rest) > MAX_LINE_BYTES):
            cut = rest.rfind(b"\r") if data else 0  # where a progress bar begins to draw anew
            lines, rest = ([*lines, rest[:cut]], rest[cut:]) if cut > 0 else ([*lines, rest], b"")
        if rest:
            self._partial[task] = rest
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            self._tails[task].append(text)
            self._print(name(task), _COLOURS[task.role], redrawn(text, MAX_LINE_BYTES))

    def close(self, task: Task) -> None:
        """The end of what one process of a task printed; the next one starts with nothing."""
        self.feed(task, b"")
        self._ended[task] = self._tails[task]
        self._tails[task] = deque(maxlen=READ_LINES)

    def output(self, task: Task, ended: bool) -> str:
        """What the process of the task printed last that ended last, or that runs."""
        return "\n".join(self._ended.get(task, ()) if ended else self._tails[task])

    def _print(self, name: str, colour: str, text: str) -> None:
        prefix = f"{name:<{self._width}} |"
        if self._colour:
            prefix = f"\033[{colour}m{prefix}\033[0m"
        below, self._bar = self._bar, ""
        self._write(f"{ERASE if below else ''}{prefix} {text}\n")
        self._draw(below)

    def _draw(self, line: str) -> None:
        self._write(f"{ERASE}{line}" if line or self._bar else "")
        self._bar = line

    def _write(self, text: str) -> None:
        if self.broken:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            self.broken = True
            self.error = "" if isinstance(error, BrokenPipeError) else error.strerror or str(error)
            terminal.discard(self._stream)


def bar(progress: Progress, width: int) -> str:
    """One line of at most this many characters: `██████░░░░ step 1200 of 2000 (60 %), …`.

    Where there is no room for all, metrics are left out, the last ones first, and then the cells: not the time left.
    """
    total = progress.total
    full = BAR_CELLS * min(progress.step, total) // total if total else 0
    cells = FULL * full + EMPTY * (BAR_CELLS - full) + " " if total else ""
    metrics = list(progress.metrics.items())
    while metrics and len(cells + progress_text(progress)) > width:
        metrics.pop()
        progress = replace(progress, metrics=dict(metrics))
    text = progress_text(progress)
    return (cells + text if len(cells + text) <= width else text)[:width]
