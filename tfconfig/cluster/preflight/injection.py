"""What the cluster adds to the pods of a job: the proxy of a service mesh, an agent."""

from __future__ import annotations

from collections.abc import Sequence

from tfconfig.cluster.preflight.check import WARNING, Check, Object


def added_containers(sent: Object, accepted: Object) -> list[str]:
    """The containers of a pod that were not in what was sent."""
    return [name for name in _names(accepted) if name not in _names(sent)]


def check_injection(added: Sequence[tuple[str, Sequence[str]]]) -> list[Check]:
    """`added`: pods by role or component, each with the containers that the cluster adds to it."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, containers in added:
        if containers:
            groups.setdefault(tuple(containers), []).append(name)
    fix = (
        "for a service mesh: values/no-mesh.yaml keeps the job out of it, values/mesh.yaml lets it in; for others, "
        "exclude the pods with podLabels or podAnnotations, and the lifecycle with lifecycle.podLabels"
    )
    return [
        Check("injection", WARNING, f"{', '.join(names)}: the cluster adds {', '.join(containers)}", fix)
        for containers, names in groups.items()
    ]


def _names(pod: Object) -> list[str]:
    spec = pod["spec"]
    return [container["name"] for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]]
