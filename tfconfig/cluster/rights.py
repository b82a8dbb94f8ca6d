"""RBAC: what an installer and a job's lifecycle must be allowed to do, and the objects that allow it beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfconfig.values.extra_objects import ExtraObject

# (API group, resources, verbs) of the chart's own Role, which limits those that change something to the job's objects.
LIFECYCLE_RULES: list[tuple[str, list[str], list[str]]] = [
    ("", ["pods"], ["get", "list", "watch", "delete"]),
    ("", ["pods/log", "persistentvolumeclaims"], ["get"]),
    ("", ["events"], ["list", "create"]),
    ("apps", ["statefulsets"], ["get"]),
    ("apps", ["statefulsets/scale"], ["get", "patch"]),
    ("", ["configmaps"], ["get", "list", "watch", "patch"]),
    ("batch", ["jobs"], ["get", "patch"]),
]
# What Helm does with each object of a release.
INSTALLER_VERBS = ("get", "list", "create", "patch", "update", "delete")
_RBAC = "rbac.authorization.k8s.io"


def permissions(
    kinds: Iterable[str], extra: Iterable[ExtraObject], account: str, create_account: bool
) -> dict[str, Any]:
    """The permissions that a job needs, for `tfconfig plan`.

    `kinds`: of the job's objects. `extra`: the user's own, beside them. `account`: the service account of the
    lifecycle, which the chart creates with its Role if `create_account`; the installer then needs all permissions of
    the Role too, because RBAC lets nobody grant more than they have.
    """
    extra = list(extra)
    own = {kind for item in extra for kind in (item.kinds or ["unknown"])}
    return {
        "installer": {
            "verbs": list(INSTALLER_VERBS),
            "kinds": sorted({*kinds, *own, "Secret"}),  # Helm records the release in a Secret
            "otherNamespaces": sorted({namespace for item in extra for namespace in item.namespaces}),
            "lookup": any(item.looks_up for item in extra),
            "createsRole": create_account,
        },
        "lifecycle": {
            "serviceAccount": account,
            "rules": [
                {"apiGroup": group, "resources": resources, "verbs": verbs}
                for group, resources, verbs in LIFECYCLE_RULES
            ],
        },
    }


def manifests(name: str, namespace: str) -> list[dict[str, Any]]:
    """A ServiceAccount, a Role and a RoleBinding for the lifecycle of all jobs of a namespace, all named `name`.

    An administrator applies them once, so that users who cannot create Roles can install jobs. The rules are those of
    the chart's own Role without the names of one job's objects.
    """
    metadata = {"name": name, "namespace": namespace}
    rules = [
        {"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources, verbs in LIFECYCLE_RULES
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False},
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]
