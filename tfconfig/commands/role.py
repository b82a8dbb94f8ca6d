"""`tfconfig role`: the service account for users who cannot create Roles."""

from __future__ import annotations

import click
import yaml

from tfconfig.cluster.rights import manifests


@click.command("role")
@click.option("-n", "--namespace", required=True, metavar="NAME", help="Namespace of the jobs.")
@click.option("--name", default="tensorflow-job", show_default=True, metavar="NAME", help="Name of the account.")
def command(namespace: str, name: str) -> None:
    """Print a ServiceAccount, a Role and a RoleBinding for the lifecycle of all jobs of a namespace.

    An administrator applies them once: tfconfig role -n team | kubectl apply -f -. Users then install with
    --set serviceAccount.create=false --set serviceAccount.name=tensorflow-job. Unlike the Role that the chart creates
    for one job, this one covers every pod, StatefulSet, ConfigMap and Job of the namespace, with the verbs listed.
    """
    click.echo(yaml.safe_dump_all(manifests(name, namespace), sort_keys=False), nl=False)
