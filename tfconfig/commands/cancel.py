"""`tfconfig cancel RELEASE`: uninstall a job."""

from __future__ import annotations

import click

from tfconfig.cluster import release as releases
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options


@click.command("cancel")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
def command(release: str, namespace: str | None, context: str | None) -> None:
    """Cancel a job: helm uninstall of its release. The checkpoint claim is kept, unless checkpoint.keep is false.

    Exit status: 0 done, 2 usage error, no such job, or helm or the cluster refuses.
    """
    kubectl = Kubectl(namespace, context)
    click.echo(releases.uninstall(kubectl, context, release, cluster_options.report))
