"""`tfconfig status --watch`: every change of a job, as lines or redrawn on a terminal."""

from __future__ import annotations

import time
from typing import TextIO

from tfconfig import terminal
from tfconfig.cluster import job_text
from tfconfig.cluster.job_watch import JobWatch

REDRAW_SECONDS = 1.0  # between two drawings ...
CLOCK_SECONDS = 10.0  # ... and at least so often, for the times in it


def follow(job: JobWatch, stream: TextIO) -> None:
    """Print until the job has ended and its pods are deleted. Raises NotFoundError when it is uninstalled."""
    last = ""
    while True:
        view = job.view()
        notice = f"out of date: {job.error}" if job.error else ""
        if terminal.redraws(stream):
            columns, rows = terminal.size()
            lines = job_text.job(view, time.time(), columns)
            stream.write(_screen([notice, *lines] if notice else lines, rows))
        elif (line := notice or job_text.line(view)) != last:
            last = line
            stream.write(f"{line}\n")
        stream.flush()
        if view.over and view.freed:
            return
        job.wakeup.wait(CLOCK_SECONDS)
        time.sleep(REDRAW_SECONDS)


def _screen(lines: list[str], rows: int) -> str:
    """Over the drawing before, and no taller than the terminal."""
    if len(lines) >= rows:
        hidden = len(lines) - rows + 2
        lines = [*lines[: rows - 2], f"… {hidden} more lines; see all: tfconfig status"]
    return "\033[H\033[J" + "\n".join(lines) + "\n"
