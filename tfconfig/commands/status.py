"""`tfconfig status`: what a job does, or what all jobs of a namespace do."""

from __future__ import annotations

import json
import sys
import time

import click
import yaml

from tfconfig import terminal
from tfconfig.cluster import job_text, jobs
from tfconfig.cluster.job_view import Documents, JobView, document, view
from tfconfig.cluster.kubectl import Kubectl, options

REDRAW_SECONDS = 1.0  # between two drawings ...
CLOCK_SECONDS = 10.0  # ... and at least so often, for the times in it


@click.command("status", short_help="Tell what a job on a cluster does.")
@click.argument("release", required=False, metavar="[RELEASE]")
@options
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="The jobs of all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Tell every change, until the job ends.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)
def command(
    release: str | None, namespace: str | None, context: str | None, everywhere: bool, watch: bool, form: str
) -> None:
    """Tell what a job does: its phase and why, progress, failures, and each task that is not as usual.

    RELEASE is the name of the Helm release; where that has several jobs, the name of one of them. Without it: all jobs
    of the namespace, one line each. Needs the right to get, list and watch pods, configmaps and jobs.

    Ends with 0 whatever the job does (`tfconfig wait` ends as the job does), 2 when it cannot be told.
    """
    kubectl = Kubectl(namespace, context)
    if watch and (release is None or form != "table"):
        raise click.UsageError("--watch is for one job, and for -o table: tfconfig status RELEASE --watch")
    if release is not None and everywhere:
        raise click.UsageError("--all-namespaces lists all jobs; leave RELEASE out, or give its --namespace")
    names = [] if release is None else jobs.find(kubectl, release)
    if watch:
        _watch(kubectl, jobs.one(kubectl, release or ""))
    elif len(names) == 1:
        told = view(jobs.snapshot(kubectl, names[0]), time.time())
        if form == "table":
            _print(job_text.job(told, time.time(), terminal.width()))
        else:
            _dump(document(told), form)
    else:
        _list(kubectl, release or "", everywhere, form)


def _list(kubectl: Kubectl, release: str, everywhere: bool, form: str) -> None:
    found = [
        view(Documents(status, {}), time.time()) for status in jobs.statuses(kubectl, release, everywhere=everywhere)
    ]
    if form != "table":
        _dump({"version": 1, "jobs": [document(one) for one in found]}, form)
    elif found:
        _print(job_text.jobs(found, time.time(), terminal.width(), everywhere))
    else:
        where = "in any namespace" if everywhere else f"in namespace {kubectl.namespace}"
        click.echo(f"there is no job {where}", err=True)


def _dump(made: object, form: str) -> None:
    click.echo(json.dumps(made, indent=2) if form == "json" else yaml.safe_dump(made, sort_keys=False).rstrip())


def _print(lines: list[str]) -> None:
    click.echo("\n".join(lines))


def _watch(kubectl: Kubectl, job: str) -> None:
    terminal = sys.stdout.isatty()
    last = ""
    with jobs.watching(kubectl, job) as live:
        while True:
            told = live.view()
            if terminal:
                _draw(told, str(live.trouble or ""))
            elif (line := job_text.line(told)) != last:
                last = line
                click.echo(line)
            if told.over and told.freed:
                return
            live.news.wait(CLOCK_SECONDS)
            time.sleep(REDRAW_SECONDS)


def _draw(told: JobView, trouble: str) -> None:
    """Over what was drawn before, and no taller than the terminal."""
    columns, rows = terminal.size()
    lines = job_text.job(told, time.time(), columns)
    if trouble:
        lines = [f"not up to date: {trouble}", *lines]
    if len(lines) >= rows:
        lines = [*lines[: rows - 2], f"… {len(lines) - rows + 2} more lines; `tfconfig status` prints all"]
    click.echo("\033[H\033[J" + "\n".join(lines))
