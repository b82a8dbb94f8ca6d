"""`tfconfig suspend RELEASE`: free what a job holds, until it is resumed."""

from __future__ import annotations

import click

from tfconfig.cluster import release as releases
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options


@click.command("suspend")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
@cluster_options.release_chart
def command(release: str, namespace: str | None, context: str | None, chart: str | None, alias: str) -> None:
    """Suspend a job: its pods are deleted, after their grace period to save, until tfconfig resume.

    Runs helm upgrade --reset-then-reuse-values (Helm 3.14 or newer) with your helm: permission to upgrade the release
    is permission to suspend it.

    Exit status: 0 done, 2 usage error, no such job, or helm or the cluster refuses.
    """
    target = releases.upgradable(Kubectl(namespace, context), context, release, chart, alias)
    target.upgrade("suspend", "true", cluster_options.report)
    again = cluster_options.same(target.job, namespace, context)
    click.echo(f"{target.job}: suspended; its pods are deleted. To go on: tfconfig resume {again}")
