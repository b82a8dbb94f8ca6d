"""`tfconfig runs RELEASE`: the runs of a job, and what changed from one to the next."""

from __future__ import annotations

import json
import sys
import time

import click

from tfconfig import terminal
from tfconfig.cluster import jobs
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options, options
from tfconfig.records import run_records


@click.command("runs")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
@options.output("table", "json")
def command(release: str, namespace: str | None, context: str | None, form: str) -> None:
    """Compare the runs of a job: how each went, and what changed from the one before.

    The current run is kept, and the last 10 that ended or that another one replaced. Of texts that may be a secret, as
    variables and most options of the program are, only whether they changed. Needs permission to get and list
    configmaps.

    Exit status: 0 shown, 2 usage error, no such job, or the cluster does not answer, 130 interrupted.
    """
    kubectl = Kubectl(namespace, context)
    job = jobs.find_one(kubectl, release)
    status = jobs.read_status(kubectl, job)
    runs = run_records.runs(status) if status else []
    if form == "json":
        click.echo(json.dumps(run_records.document(job, kubectl.namespace, runs), indent=2))
    elif runs:
        click.echo("\n".join(run_records.table(runs, time.time(), terminal.list_width(sys.stdout))))
    else:
        click.echo(f"job {job} has no run yet", err=True)
