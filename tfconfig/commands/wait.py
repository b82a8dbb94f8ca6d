"""`tfconfig wait`: until a job has ended, and as it has ended."""

from __future__ import annotations

import sys
import time

import click

from tfconfig.cluster import job_text, jobs
from tfconfig.cluster.job_view import JobView, last_lines, lifecycle_failed, outcome
from tfconfig.cluster.kubectl import Kubectl, options
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED, SUSPENDED
from tfconfig.terminal import duration, parse_duration

TIMED_OUT = 3
LOG_SECONDS = 10.0  # for the lifecycle to write its summary after the outcome
UNDECIDED_SECONDS = 10.0  # for the status to come after the lifecycle Job has failed


def duration_option(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """The callback of an option that takes a time span: its seconds."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("wait", short_help="Wait for the end of a job, and end as it did.")
@click.argument("release", metavar="RELEASE")
@options
@click.option(
    "--timeout", callback=duration_option, metavar="DURATION", help="Give up after 90s, 10m, 1h30m; default: never."
)
def command(release: str, namespace: str | None, context: str | None, timeout: float | None) -> None:
    """Wait until a job has ended: 0 when it has succeeded, 1 when it has failed, 3 when --timeout is over.

    Prints how it ended; after a failure also the deciding task, what its exit status means, and its last lines. What
    happens meanwhile is told on standard error. A suspended job is waited for: somebody may resume it. A job that is
    not there, or is uninstalled meanwhile, ends with 2.
    """
    kubectl = Kubectl(namespace, context)
    until = None if timeout is None else time.monotonic() + timeout
    with jobs.watching(kubectl, jobs.one(kubectl, release), pods="app.kubernetes.io/component=lifecycle") as live:
        told = _wait(live, until)
        if told is None:
            click.echo(f"{job_text.line(live.view())}; not ended within {duration(timeout or 0.0)}", err=True)
            sys.exit(TIMED_OUT)
        click.echo(outcome(told) if told.over else job_text.line(told))
        if told.phase != SUCCEEDED:
            _tell_failure(live, told)
            sys.exit(1)


def _wait(live: jobs.Live, until: float | None) -> JobView | None:
    """The job once it has ended, or will never tell; None when the time is over."""
    said = ""
    undecided: float | None = None
    while True:
        told = live.view()
        if told.over:
            return told
        if not lifecycle_failed(live.documents()):
            undecided = None
        elif undecided is None:
            undecided = time.monotonic()
        elif time.monotonic() > undecided + UNDECIDED_SECONDS:
            return told
        line = str(live.trouble) if live.trouble else job_text.line(told)
        if told.phase == SUSPENDED and not live.trouble:
            line += "; waiting until somebody resumes it"
        if line != said:
            said = line
            click.echo(line, err=True)
        left = 60.0 if until is None else until - time.monotonic()
        if left <= 0:
            return None
        live.news.wait(min(left, 60.0 if undecided is None else 1.0))


def _tell_failure(live: jobs.Live, told: JobView) -> None:
    if told.decider:
        click.echo(f"decided by {job_text.decided(told)}")
    until = time.monotonic() + LOG_SECONDS
    task, lines = "", list[str]()
    while told.exit_code is not None and not lines and time.monotonic() < until:
        task, lines = last_lines(jobs.lifecycle_log(live.kubectl, live.documents()))
        if not lines:
            live.news.wait(1.0)
    if lines:
        click.echo(f"last lines of {task}:")
        click.echo("\n".join(f"  {line}" for line in lines))
