"""`tfconfig rerun RELEASE`: run a job again."""

from __future__ import annotations

from pathlib import Path

import click

from tfconfig.cluster import release as releases
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options, options, paths
from tfconfig.values.set_flags import SetFlags


@click.command("rerun")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
@cluster_options.release_chart
@click.option(
    "--files", "folder", type=paths.FOLDER, metavar="DIR",
    help="Take the job's program.files from DIR again; default: as they were installed.",
)  # fmt: skip
@options.values
def command(
    release: str,
    namespace: str | None,
    context: str | None,
    chart: str | None,
    alias: str,
    folder: Path | None,
    files: tuple[str, ...],
    sets: SetFlags,
) -> None:
    """Run a job again, from its last checkpoint: a new run, once the pods of the one before are gone.

    Runs helm upgrade --reset-then-reuse-values (Helm 3.14 or newer) with your helm. The values are those of the
    release, with what -f and --set change. Program files that came with --set-file are those of the install, unless
    --files takes edited ones. To train from scratch, set checkpoint.directory to another folder.
    A suspended job must be resumed first, or with --set suspend=false.

    Exit status: 0 done, 2 usage error, no such job, or helm or the cluster refuses.
    """
    if "-" in files:
        raise click.UsageError("helm reads the values, so standard input cannot be used; write them to a file")
    kubectl = Kubectl(namespace, context)
    target = releases.upgradable(kubectl, context, release, chart, alias)
    again = cluster_options.same(target.job, namespace, context)
    releases.require_resumed(target, sets, f"tfconfig resume {again}")
    run = releases.next_run(kubectl, target)
    edited = releases.program_files(target, folder) if folder else []
    given = [*(f"--values={file}" for file in files), *sets.arguments(), *edited]
    target.upgrade("run", str(run), cluster_options.report, given)
    click.echo(f"{target.job}: run {run} begins. To wait for its end: tfconfig wait {again}")
