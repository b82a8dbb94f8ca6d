"""`tfconfig role`: what an administrator applies once, so that users who cannot create Roles can install jobs.

The rights are those of the chart's own Role, without the names of one job's objects.
"""

from __future__ import annotations

from typing import Any

import click
import yaml

RULES: list[tuple[str, list[str], list[str]]] = [
    ("", ["pods"], ["get", "list", "watch", "delete"]),
    ("", ["pods/log", "persistentvolumeclaims"], ["get"]),
    ("", ["events"], ["list", "create"]),
    ("apps", ["statefulsets"], ["get"]),
    ("apps", ["statefulsets/scale"], ["get", "patch"]),
    ("", ["configmaps"], ["get", "list", "watch", "patch"]),
    ("batch", ["jobs"], ["get", "patch"]),
]
RBAC = "rbac.authorization.k8s.io"


def manifests(name: str, namespace: str) -> list[dict[str, Any]]:
    """A ServiceAccount, its Role and the binding between them, all called `name`."""
    metadata = {"name": name, "namespace": namespace}
    rules = [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources, verbs in RULES]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False},
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]


@click.command("role", short_help="Print the service account for users who cannot create Roles.")
@click.option("-n", "--namespace", required=True, metavar="NAME", help="Namespace in which the jobs will run.")
@click.option("--name", default="tensorflow-job", show_default=True, metavar="NAME", help="Name of the account.")
def command(namespace: str, name: str) -> None:
    """Print a ServiceAccount, a Role and a RoleBinding for the lifecycle of all jobs of one namespace.

    An administrator applies them once: tfconfig role -n team | kubectl apply -f -. Users then install with
    --set serviceAccount.create=false --set serviceAccount.name=tensorflow-job. Unlike the Role that the chart makes for
    one job, this one reaches every pod, StatefulSet, ConfigMap and Job of the namespace, with the few verbs listed.
    """
    click.echo(yaml.safe_dump_all(manifests(name, namespace), sort_keys=False), nl=False)
