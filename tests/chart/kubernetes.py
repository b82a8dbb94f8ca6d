"""What the API server, and Pod Security, would say about rendered objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes_validate

from .helm import Object, Rendered

OLDEST = "1.28"  # kubeVersion in Chart.yaml
NEWEST = kubernetes_validate.latest_version()
GANG = "scheduling.k8s.io/v1beta1"
OTHERS = ("monitoring.coreos.com/", "scheduling.volcano.sh/", "scheduling.x-k8s.io/")  # not Kubernetes' own


def assert_valid(item: Object, version: str) -> None:
    """The object has the fields, and the types, of that Kubernetes version and no others.

    What Kubernetes' own gang scheduling needs is there from 1.37 on: it is checked against the newest version alone.
    """
    if item["apiVersion"].startswith(OTHERS):  # test_observing.py, test_scheduling.py
        return
    if item["apiVersion"] == GANG or "schedulingGroup" in item.get("spec", {}).get("template", {}).get("spec", {}):
        version = NEWEST
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(str(part) for part in error.path)
        name = f"{item['kind']} {item['metadata']['name']}"
        raise AssertionError(f"{name}: {where}: {error.message}") from error


def pod_templates(rendered: Rendered) -> Iterator[tuple[str, Object]]:
    """Name of the owner and pod template of everything that makes pods."""
    for owner in rendered.all("StatefulSet") + rendered.all("Job") + rendered.all("Deployment"):
        yield owner["metadata"]["name"], owner["spec"]["template"]


def config_maps(volume: Object) -> tuple[str, ...]:
    """The ConfigMaps that a volume is made of."""
    sources = volume["projected"]["sources"] if "projected" in volume else [volume]
    return tuple(source["configMap"]["name"] for source in sources)


def containers(spec: Object) -> list[Object]:
    """All containers of a pod."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def references(spec: Object) -> Iterator[tuple[str, str]]:
    """(kind, name) of the objects that a pod cannot start without."""
    for volume in spec.get("volumes", []):
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        for source in sources:
            if "configMap" in source and not source["configMap"].get("optional"):
                yield "ConfigMap", source["configMap"]["name"]
            if "secret" in source and not source["secret"].get("optional"):
                yield "Secret", source["secret"]["secretName"]
            if "persistentVolumeClaim" in source:
                yield "PersistentVolumeClaim", source["persistentVolumeClaim"]["claimName"]
    if "serviceAccountName" in spec:
        yield "ServiceAccount", spec["serviceAccountName"]


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a label selector finds something with these labels."""
    return all(labels.get(key) == value for key, value in selector.items())


def restricted_violations(spec: Object) -> list[str]:
    """What the `restricted` Pod Security Standard (v1.28 and later) forbids in a pod.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    violations: list[str] = []
    pod: dict[str, Any] = spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            violations.append(field)
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    for volume in spec.get("volumes", []):
        if not (set(volume) - {"name"}) <= allowed:
            violations.append(f"volume {volume['name']}: {sorted(set(volume) - {'name'})}")
    for container in containers(spec):
        own: dict[str, Any] = container.get("securityContext", {})

        def both(field: str, own: dict[str, Any] = own) -> Any:
            return own.get(field, pod.get(field))

        wrong = {
            "privileged": bool(own.get("privileged")),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
            "capabilities.drop": "ALL" not in own.get("capabilities", {}).get("drop", []),
            "capabilities.add": not set(own.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"},
            "runAsNonRoot": both("runAsNonRoot") is not True,
            "runAsUser": both("runAsUser") == 0,
            "seccompProfile": (both("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"),
            "procMount": own.get("procMount", "Default") != "Default",
            "hostPort": any(port.get("hostPort") for port in container.get("ports", [])),
        }
        violations += [f"{container['name']}: {what}" for what, bad in wrong.items() if bad]
    return violations
