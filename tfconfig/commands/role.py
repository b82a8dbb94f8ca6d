"""`tfconfig role`: the service account for users who cannot create Roles."""

from __future__ import annotations

import re
from collections.abc import Callable

import click
import yaml

from tfconfig.cluster.rights import manifests

# DNS label and subdomain names: what the API server accepts as the name of a namespace, and of a service account.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def _named(pattern: re.Pattern[str], allowed: str) -> Callable[[click.Context, click.Parameter, str], str]:
    def check(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
        if pattern.fullmatch(value):
            return value
        raise click.BadParameter(f"{value!r} is not a name of {allowed}", ctx, parameter)

    return check


@click.command("role")
@click.option(
    "-n", "--namespace", required=True, metavar="NAME", help="Namespace of the jobs.",
    callback=_named(_LABEL, "at most 63 lowercase letters, digits and -"),
)  # fmt: skip
@click.option(
    "--name", default="tensorflow-job", show_default=True, metavar="NAME", help="Name of the account.",
    callback=_named(_SUBDOMAIN, "at most 253 lowercase letters, digits, - and ."),
)  # fmt: skip
def command(namespace: str, name: str) -> None:
    """Print a service account for the lifecycle of all jobs of a namespace, its Role, and an admission policy.

    An administrator applies them once: tfconfig role -n team | kubectl apply -f -. Users then install with
    --set serviceAccount.create=false --set serviceAccount.name=tensorflow-job. Unlike the Role that the chart creates
    for one job, this one covers every pod, StatefulSet, ConfigMap and Job of the namespace, with the verbs listed. The
    ValidatingAdmissionPolicy (Kubernetes 1.30 or newer) holds the account to the status of jobs, their training pods,
    StatefulSets and lifecycle Jobs. Without it, who has the account's token can change any ConfigMap of the namespace,
    and so the code of other jobs. With it, they can still read all ConfigMaps and logs, and end other jobs.
    """
    click.echo(yaml.safe_dump_all(manifests(name, namespace), sort_keys=False), nl=False)
