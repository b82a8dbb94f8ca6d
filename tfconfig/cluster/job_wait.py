"""Waiting for the end of a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tfconfig.cluster import job_text, jobs
from tfconfig.cluster.job_view import JobView
from tfconfig.cluster.job_watch import JobWatch
from tfconfig.cluster.lifecycle_health import lifecycle_failed
from tfconfig.tensorflow_job.lifecycle.state import SUSPENDED
from tfconfig.terminal import visible

LOOK_SECONDS = 60.0  # at the latest so long after the last look
LOG_SECONDS = 10.0  # for the lifecycle to write its summary after the outcome
ABANDONED_SECONDS = 10.0  # for the status to come after the lifecycle Job has failed


def wait_until_over(job: JobWatch, deadline: float | None, report: Callable[[str], None]) -> JobView | None:
    """The job once it has ended, or once nothing can write its outcome any more; None at the deadline.

    `deadline` is a time of time.monotonic(). `report` gets a line at the beginning and for each change.
    Raises NotFoundError when the job is uninstalled.
    """
    reported = ""
    abandoned: float | None = None  # when the lifecycle Job was first seen to have failed
    while True:
        view, now = job.view(), time.monotonic()
        if view.over:
            return view
        if not lifecycle_failed(job.objects()):
            abandoned = None
        elif abandoned is None:
            abandoned = now
        elif now > abandoned + ABANDONED_SECONDS:
            return view
        line = waiting_line(job, view)
        if line != reported:
            reported = line
            report(line)
        left = LOOK_SECONDS if deadline is None else deadline - now
        if left <= 0:
            return None
        job.wakeup.wait(min(left, LOOK_SECONDS if abandoned is None else 1.0))


def waiting_line(job: JobWatch, view: JobView) -> str:
    """The job on one line, or why it is not known."""
    if job.error:
        return str(job.error)
    line = job_text.line(view)
    return f"{line}; waiting until it is resumed" if view.phase == SUSPENDED else line


def failure_lines(job: JobWatch, view: JobView) -> Iterator[str]:
    """The deciding task of a failed job, what its exit status means, and the last lines it printed.

    What the status says comes at once; the rest waits for the log of the lifecycle.
    """
    if view.deciding_task:
        yield f"decided by {visible(job_text.deciding_exit(view))}"
    if view.last_line:
        yield f"last line: {visible(view.last_line)}"
    if view.hint:
        yield f"hint: {visible(view.hint)}"
    until = time.monotonic() + LOG_SECONDS
    while view.exit_code is not None:
        task, lines = job_text.last_lines(jobs.lifecycle_log(job.kubectl, job.objects()))
        if lines:
            yield f"last lines of {task}:"
            yield from (f"  {line}" for line in lines)
            return
        if time.monotonic() >= until:
            return
        job.wakeup.wait(1.0)
