"""`tfconfig resume RELEASE`: start the pods of a suspended job again."""

from __future__ import annotations

import click

from tfconfig.cluster import release as releases
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options


@click.command("resume")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
@cluster_options.release_chart
def command(release: str, namespace: str | None, context: str | None, chart: str | None, alias: str) -> None:
    """Resume a suspended job: its pods start again, and its program from the last checkpoint.

    Runs helm upgrade --reset-then-reuse-values (Helm 3.14 or newer) with your helm.

    Exit status: 0 done, 2 usage error, no such job, or helm or the cluster refuses.
    """
    target = releases.upgradable(Kubectl(namespace, context), context, release, chart, alias)
    target.upgrade("suspend", "false", cluster_options.report)
    again = cluster_options.same(target.job, namespace, context)
    click.echo(f"{target.job}: resumed. To watch it: tfconfig status {again} --watch")
