"""`tfconfig prune`: uninstall the releases of jobs that ended long ago."""

from __future__ import annotations

import json
from typing import Any

import click

from tfconfig.cluster import pruning
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options, options
from tfconfig.tensorflow_job.lifecycle.timestamps import format_time

VERSION = 1  # of the document; another one when a field changes its meaning or is removed
_SAYS = {"Removed": "uninstalled", "WouldRemove": "would be uninstalled", "Skipped": "skipped", "Failed": "failed"}


@click.command("prune")
@cluster_options.cluster
@click.option("-A", "--all-namespaces", is_flag=True, help="Releases of all namespaces.")
@click.option(
    "-l", "--selector", default="", metavar="SELECTOR", help="Only jobs with these labels, as kubectl takes them."
)
@click.option(
    "--older-than", required=True, callback=cluster_options.duration, metavar="DURATION",
    help="Only jobs that ended that long ago: 24h, 7d; 0 for all that have ended.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only print what would be uninstalled.")
@options.output("text", "json")
def command(
    namespace: str | None,
    context: str | None,
    all_namespaces: bool,
    selector: str,
    older_than: float,
    dry_run: bool,
    form: str,
) -> None:
    """Uninstall the releases whose jobs have ended, succeeded or failed, with the pods that cleanup kept.

    Runs helm uninstall with your helm. Checkpoint claims are kept, unless checkpoint.keep is false. A release
    stays while one of its jobs runs, and a release of an umbrella chart always.

    Exit status: 0 done, also where there was nothing to do, 2 usage error, or helm or the cluster refuses.
    """
    if all_namespaces and namespace:
        raise click.UsageError("--all-namespaces includes every namespace; leave out --namespace")

    kubectl, report = Kubectl(namespace, context), cluster_options.report
    done = pruning.prune(kubectl, context, older_than, selector, all_namespaces, dry_run, report)
    if form == "json":
        releases = [_document(pruned) for pruned in done]
        click.echo(json.dumps({"version": VERSION, "dryRun": dry_run, "releases": releases}, indent=2))
    elif done:
        for pruned in done:
            click.echo(_line(pruned))
    else:
        click.echo("no release whose jobs ended that long ago", err=True)
    if any(pruned.result == "Failed" for pruned in done):
        click.get_current_context().exit(2)


def _line(pruned: pruning.Pruned) -> str:
    phases = ", ".join(f"{job.name} {job.phase}" for job in pruned.jobs)
    why = f": {pruned.message}" if pruned.message else ""
    place = f"{pruned.namespace}/{pruned.release}"
    return f"{place} {_SAYS[pruned.result]} ({phases}, {format_time(pruned.ended)}){why}"


def _document(pruned: pruning.Pruned) -> dict[str, Any]:
    return {
        "release": pruned.release,
        "namespace": pruned.namespace,
        "jobs": [{"name": job.name, "phase": job.phase} for job in pruned.jobs],
        "completionTime": format_time(pruned.ended),
        "result": pruned.result,
        "message": pruned.message,
    }
