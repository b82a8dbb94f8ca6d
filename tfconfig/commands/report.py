"""`tfconfig report`: the runs of a job as one HTML page."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfconfig.cluster import jobs, shapes
from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options, paths
from tfconfig.records import run_records
from tfconfig.records.page import page
from tfconfig.tensorflow_job.task.names import STATUS_KEY
from tfconfig.terminal import visible

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import StatusDocument


@click.command("report")
@click.argument("release", required=False, metavar="[RELEASE]")
@cluster_options.cluster
@click.option(
    "--local",
    type=paths.FOLDER,
    metavar="DIR",
    help="Of a job on this machine: the DIR of its run --logs.",
)
@click.option("--file", type=paths.PATH, metavar="FILE", help="Default: <job>-report.html; -: print it.")
def command(
    release: str | None, namespace: str | None, context: str | None, local: Path | None, file: Path | None
) -> None:
    """Write one HTML page about the runs of a job: timeline, restarts, step and loss over time, what changed.

    The page needs nothing else and runs no script. Needs permission to get and list configmaps.

    Exit status: 0 written, 2 usage error, no such job, or the cluster does not answer, 130 interrupted.
    """
    if (release is None) == (local is None):
        raise click.UsageError("name a job, or with --local a folder of tfconfig run --logs; one of them")
    status: StatusDocument | None
    if local:
        job, status = local.resolve().name or "job", _local_status(local)
    else:
        kubectl = Kubectl(namespace, context)
        job = jobs.find_one(kubectl, release or "")
        status = jobs.read_status(kubectl, job)
    runs = run_records.runs(status) if status else []
    if not runs:
        raise ClusterError(f"job {job} has no run yet; try again when it has started")
    if local and runs[-1].ended is None:  # its status was written when it was interrupted
        ended = (local / STATUS_KEY).stat().st_mtime
        runs[-1] = replace(runs[-1], phase="Interrupted", message="tfconfig run was interrupted", ended=ended)
    text = page(job, runs, time.time())
    if file == Path("-"):
        click.echo(text, nl=False)
        return
    file = file or Path(f"{job}-report.html")
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"--file {file}: {error.strerror}; choose a writable file") from None
    click.echo(file)


def _local_status(folder: Path) -> StatusDocument:
    """The status that `run --logs` left."""
    file = folder / STATUS_KEY
    try:
        return shapes.status(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else visible(str(error))
        raise click.UsageError(
            f"--local {file}: {why}; run the job with tfconfig run --logs {folder}, which writes it at its end"
        ) from None
