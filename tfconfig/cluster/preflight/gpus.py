"""Whether nodes have the GPUs, or other extended resources, that the pods request, and enough of them free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tfconfig.cluster.node_affinity import required_by
from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check, Object, PodCounts
from tfconfig.values.pod_amounts import pod_amounts
from tfconfig.values.quantity import parse

_Wanted = Sequence[tuple[Object, int]]  # each pod with its amount


def requested(pods: PodCounts) -> list[str]:
    """The extended resources that the pods request."""
    return sorted({name for pod, _ in pods for name in _extended(pod)})


def check_gpus(pods: PodCounts, nodes: Sequence[Object] | None, running: Sequence[Object] | None) -> list[Check]:
    """A check for each extended resource. `nodes` or `running` (all pods of the cluster) None: no permission."""
    return [_check(name, pods, nodes, running) for name in requested(pods)]


def _check(name: str, pods: PodCounts, nodes: Sequence[Object] | None, running: Sequence[Object] | None) -> Check:
    wanted = [(pod, _extended(pod)[name]) for pod, count in pods if name in _extended(pod) for _ in range(count)]
    needed = f"{sum(amount for _, amount in wanted)} needed"
    if nodes is None:
        return Check(
            name, UNKNOWN, f"{needed}; no permission to list nodes", "ask the administrator whether the cluster has any"
        )
    sizes = {node["metadata"]["name"]: parse(allocatable(node).get(name, 0)).nanos // 10**9 for node in nodes}
    candidates = [node for node in nodes if sizes[node["metadata"]["name"]]]
    total = sum(sizes.values())
    if not candidates:
        fix = f"correct gpuResource; nodes have: {_offered(nodes)}. With an autoscaler, new nodes may have it"
        return Check(name, ERROR, f"{needed}; no node has any", fix)
    if not _fit_all(wanted, candidates, sizes):
        usable = sum(
            sizes[node["metadata"]["name"]] for node in candidates if any(fits(pod, node) for pod, _ in wanted)
        )
        message = f"{needed}, {usable} on eligible nodes; not all pods fit"
        return Check(name, ERROR, message, "request fewer, or correct nodeSelector, affinity and tolerations")
    if running is None:
        message = f"{needed}, {total} in the cluster; no permission to list the pods that use them"
        return Check(name, UNKNOWN, message, "if they are in use, the job waits")
    free = _free(name, sizes, running)
    left = sum(max(amount, 0) for amount in free.values())
    if not _fit_all(wanted, candidates, free):
        return Check(name, WARNING, f"{needed}, {left} of {total} free now", "the job will wait for them")
    return Check(name, OK, f"{needed}, {left} of {total} free")


def _extended(pod: Object) -> dict[str, int]:
    amounts = pod_amounts(pod.get("spec") or {}, "limits")
    return {name: amount.nanos // 10**9 for name, amount in amounts.items() if "/" in name and amount.nanos}


def _free(name: str, sizes: Mapping[str, int], running: Iterable[Object]) -> dict[str, int]:
    """Node -> what running pods leave of its size."""
    free = dict(sizes)
    for pod in running:
        node = pod.get("spec", {}).get("nodeName", "")
        if node in free and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            free[node] -= _extended(pod).get(name, 0)
    return free


def _fit_all(wanted: _Wanted, nodes: Sequence[Object], free: Mapping[str, int]) -> bool:
    """Whether every pod finds a node, the largest ones first."""
    left = dict(free)
    for pod, amount in sorted(wanted, key=lambda item: -item[1]):
        for node in nodes:
            name = node["metadata"]["name"]
            if left[name] >= amount and fits(pod, node):
                left[name] -= amount
                break
        else:
            return False
    return True


def fits(pod: Object, node: Object) -> bool:
    """Whether a pod may run on a node: by its selector and affinity, the node's taints, and if it is cordoned."""
    labels, spec = node["metadata"].get("labels") or {}, node.get("spec") or {}
    if spec.get("unschedulable"):
        return False
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    if not required_by(pod, node):
        return False
    taints = [taint for taint in spec.get("taints") or () if taint["effect"] in ("NoSchedule", "NoExecute")]
    tolerations = pod["spec"].get("tolerations") or ()
    return all(any(_tolerates(toleration, taint) for toleration in tolerations) for taint in taints)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def allocatable(node: Object) -> Object:
    """What a node has for pods."""
    amounts: Object = node.get("status", {}).get("allocatable") or {}
    return amounts


def _offered(nodes: Iterable[Object]) -> str:
    names = {name for node in nodes for name in allocatable(node) if "/" in name}
    return ", ".join(sorted(names)) or "no such resource"
