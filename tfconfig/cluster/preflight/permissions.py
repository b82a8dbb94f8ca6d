"""Whether the user has the permissions to install a job and to see what it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tfconfig.cluster.preflight.check import ERROR, OK, WARNING, Check, Object

# kind -> API group and plural, of everything that the chart makes or its values can name
RESOURCES = {
    "ConfigMap": ("", "configmaps"),
    "Secret": ("", "secrets"),
    "Service": ("", "services"),
    "ServiceAccount": ("", "serviceaccounts"),
    "PersistentVolumeClaim": ("", "persistentvolumeclaims"),
    "StatefulSet": ("apps", "statefulsets"),
    "Deployment": ("apps", "deployments"),
    "Pod": ("", "pods"),
    "Job": ("batch", "jobs"),
    "Ingress": ("networking.k8s.io", "ingresses"),
    "PodMonitor": ("monitoring.coreos.com", "podmonitors"),
    "PrometheusRule": ("monitoring.coreos.com", "prometheusrules"),
    "NetworkPolicy": ("networking.k8s.io", "networkpolicies"),
    "Role": ("rbac.authorization.k8s.io", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io", "rolebindings"),
}
ROLE_FIX = (
    "an administrator runs `tfconfig role -n NAMESPACE | kubectl apply -f -` once; then install with "
    "--set serviceAccount.create=false --set serviceAccount.name=tensorflow-job"
)


@dataclass(frozen=True)
class Permission:
    """A verb on a resource."""

    verb: str
    group: str
    resource: str
    subresource: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.target}"

    @property
    def target(self) -> str:
        """`pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def to_install(objects: Iterable[Object], verbs: Sequence[str]) -> list[Permission]:
    """What Helm does with each kind of the objects, and with its own record of the release, a Secret."""
    kinds = sorted({item["kind"] for item in objects} & set(RESOURCES) | {"Secret"})
    return [Permission(verb, *RESOURCES[kind]) for kind in kinds for verb in verbs]


def to_view() -> list[Permission]:
    """What tfconfig status, wait and logs need."""
    kinds = ("Pod", "ConfigMap", "Job")
    lists = [Permission(verb, *RESOURCES[kind]) for kind in kinds for verb in ("get", "list", "watch")]
    return [*lists, Permission("get", "", "pods", "log")]


def review(permission: Permission, namespace: str) -> dict[str, object]:
    """The object that asks the API server whether the user has a permission."""
    attributes = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": permission.resource,
        "subresource": permission.subresource,
        "namespace": namespace,
    }
    spec = {"resourceAttributes": attributes}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}


def check_install(allowed: Mapping[Permission, bool], needed: Sequence[Permission]) -> Check:
    """Whether the user can install the job."""
    missing = [permission for permission in needed if not allowed[permission]]
    if not missing:
        return Check("permissions to install", OK, f"all {len(needed)} that Helm needs")
    only_roles = {permission.resource for permission in missing} <= {"roles", "rolebindings"}
    fix = ROLE_FIX if only_roles else "request them from the administrator, or use another namespace"
    return Check("permissions to install", ERROR, f"no permission to {_verbs(missing)}", fix)


def check_view(allowed: Mapping[Permission, bool], needed: Sequence[Permission]) -> Check:
    """Whether the user can see what the job does."""
    missing = [permission for permission in needed if not allowed[permission]]
    if not missing:
        return Check("permissions to view", OK, "all that tfconfig status, wait and logs need")
    fix = "without them tfconfig status, wait or logs fail; request them from the administrator"
    return Check("permissions to view", WARNING, f"no permission to {_verbs(missing)}", fix)


def _verbs(permissions: Iterable[Permission]) -> str:
    verbs: dict[str, list[str]] = {}
    for permission in permissions:
        verbs.setdefault(permission.target, []).append(permission.verb)
    return "; ".join(f"{', '.join(some)} {target}" for target, some in verbs.items())
