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
_ADMISSION = "admissionregistration.k8s.io"
_OF_A_JOB = "oldObject.metadata.?labels['app.kubernetes.io/name'].orValue('') == 'tensorflow-job'"
_COMPONENT = "oldObject.metadata.?labels['app.kubernetes.io/component'].orValue('')"
# What RBAC cannot say without the names of one job's objects: (resources, CEL that must hold, message).
_LIMITS: list[tuple[str, str, str]] = [
    (
        "configmaps",
        f"{_OF_A_JOB} && {_COMPONENT} == 'lifecycle' && "
        "oldObject.metadata.name == oldObject.metadata.?labels['tensorflow-job/job'].orValue('') + '-status'",
        "only the -status ConfigMaps of jobs may be changed by this account",
    ),
    (
        "configmaps",
        "object.metadata.?labels == oldObject.metadata.?labels && "
        "object.metadata.?annotations == oldObject.metadata.?annotations && "
        "object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences && "
        "object.metadata.?finalizers == oldObject.metadata.?finalizers",
        "only the data of a status may be changed by this account",
    ),
    (
        "pods",
        f"{_OF_A_JOB} && {_COMPONENT} == 'training'",
        "only training pods of jobs may be deleted by this account",
    ),
    (
        "statefulsets/scale",
        "oldObject.status.?selector.orValue('').split(',').exists(part, part.startsWith('tensorflow-job/job='))",
        "only StatefulSets of jobs may be scaled by this account",
    ),
    (
        "jobs",
        f"{_OF_A_JOB} && {_COMPONENT} == 'lifecycle'",
        "only the lifecycle Jobs of jobs may be changed by this account",
    ),
    (
        "jobs",
        "object.metadata.?labels == oldObject.metadata.?labels && "
        "object.metadata.?annotations == oldObject.metadata.?annotations && "
        "object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences && "
        "object.metadata.?finalizers == oldObject.metadata.?finalizers && "
        "object.spec.template == oldObject.spec.template && object.spec.?suspend == oldObject.spec.?suspend && "
        "object.spec.?parallelism == oldObject.spec.?parallelism",
        "only the backoffLimit of a lifecycle Job may be changed by this account",
    ),
]
_MATCHED: list[tuple[str, str, str]] = [  # (API group, resource, operation)
    ("", "configmaps", "UPDATE"),
    ("", "pods", "DELETE"),
    ("apps", "statefulsets/scale", "UPDATE"),
    ("batch", "jobs", "UPDATE"),
]


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
    the chart's own Role without the names of one job's objects; an admission policy, with its binding, holds the
    account to objects of jobs.
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
        *_admission_policy(name, namespace),
    ]


def _admission_policy(name: str, namespace: str) -> list[dict[str, Any]]:
    """What the API server refuses to the account, although its Role allows it. For Kubernetes 1.30 or newer."""
    of_cluster = f"{name}.{namespace}"  # neither has a namespace; a namespace has no dot in its name
    rules = [
        {"apiGroups": [group], "apiVersions": ["*"], "operations": [operation], "resources": [resource]}
        for group, resource, operation in _MATCHED
    ]
    user = f"system:serviceaccount:{namespace}:{name}"
    validations = [
        {"expression": f"{_request_is(resource)} ? ({limit}) : true", "message": message}
        for resource, limit, message in _LIMITS
    ]
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": [{"name": "account", "expression": f"request.userInfo.username == '{user}'"}],
        "validations": validations,
    }
    kind = {"apiVersion": f"{_ADMISSION}/v1", "metadata": {"name": of_cluster}}
    return [
        {"kind": "ValidatingAdmissionPolicy", **kind, "spec": policy},
        {
            "kind": "ValidatingAdmissionPolicyBinding",
            **kind,
            "spec": {"policyName": of_cluster, "validationActions": ["Deny"]},
        },
    ]


def _request_is(resource: str) -> str:
    plural, _, sub = resource.partition("/")
    return f"request.resource.resource == '{plural}'" + (f" && request.subResource == '{sub}'" if sub else "")
