"""`tfconfig wait`: wait for the end of a job; exit 0 or 1 as it has succeeded or failed."""

from __future__ import annotations

import json
import sys
import time

import click

from tfconfig.cluster import job_text, job_watch, jobs
from tfconfig.cluster.job_json import job_document
from tfconfig.cluster.job_objects import COMPONENT_LABEL, LIFECYCLE
from tfconfig.cluster.job_wait import failure_lines, wait_until_over
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options, options
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED
from tfconfig.tensorflow_job.lifecycle.text import duration

FAILED, TIMED_OUT = 1, 3


@click.command("wait")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
@click.option(
    "--timeout",
    callback=cluster_options.duration,
    metavar="DURATION",
    help="Stop waiting after 90s, 10m or 1h30m; default: never.",
)
@options.output("text", "json", text="json: at the end, the document of tfconfig status -o json.")
def command(release: str, namespace: str | None, context: str | None, timeout: float | None, form: str) -> None:
    """Wait for the end of a job, and print its outcome.

    After a failure it also prints the deciding task, what its exit status means, and the last lines it printed. Changes
    on the way go to standard error. A suspended job is waited for: it may be resumed.

    Exit status: 0 succeeded, 1 failed, 2 usage error, no such job, or the cluster does not answer, 3 timed out, 130
    interrupted.
    """
    kubectl = Kubectl(namespace, context)
    deadline = None if timeout is None else time.monotonic() + timeout
    name = jobs.find_one(kubectl, release)
    pods = "" if form == "json" else f"{COMPONENT_LABEL}={LIFECYCLE}"  # the text says nothing of the others
    with job_watch.watch(kubectl, name, pod_selector=pods) as job:
        view = wait_until_over(job, deadline, cluster_options.report)
        if view is None:
            click.echo(f"{job_text.line(job.view())}; timed out after {duration(timeout or 0.0)}", err=True)
            sys.exit(TIMED_OUT)
        if form == "json":
            click.echo(json.dumps(job_document(view), indent=2))
            sys.exit(0 if view.phase == SUCCEEDED else FAILED)
        click.echo(job_text.outcome(view) if view.over else job_text.line(view))
        if view.phase != SUCCEEDED:
            for line in failure_lines(job, view):
                click.echo(line)
            sys.exit(FAILED)
