"""Whether nodes have the CPU, memory and local storage that the pods request, and enough of it and of places free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tfconfig.cluster.job_objects import COMPONENT_LABEL
from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check, Object, PodCounts
from tfconfig.cluster.preflight.gpus import allocatable, fits
from tfconfig.tensorflow_job.task.names import ROLE_LABEL
from tfconfig.values.pod_amounts import pod_amounts
from tfconfig.values.quantity import Quantity, parse

NAME = "CPU and memory"
_PODS = "pods"  # a node takes a number of them, often 110, on small ones of EKS 29
_RESOURCES = ("cpu", "memory", "ephemeral-storage", _PODS)
_ENDED = ("Succeeded", "Failed")
_Room = dict[str, dict[str, int]]  # node -> resource -> what is left, in Quantity's billionths
_Wanted = Sequence[tuple[Object, int, Mapping[str, Quantity]]]  # each pod, how many of them, and what one asks for


def check_capacity(pods: PodCounts, nodes: Sequence[Object] | None, running: Sequence[Object] | None) -> Check:
    """Whether the pods find a place. `nodes` or `running` (all pods of the cluster) None: no permission."""
    if nodes is None:
        return Check(NAME, UNKNOWN, "no permission to list nodes", "see `kubectl describe pod` if pods stay Pending")
    if not nodes:
        return Check(NAME, UNKNOWN, "the cluster has no nodes now", "an autoscaler has to add some")
    whole = {node["metadata"]["name"]: _allocatable(node) for node in nodes}
    wanted: _Wanted = [(pod, count, _requests(pod)) for pod, count in pods]
    for pod, _, asked in wanted:
        if not any(fits(pod, node) and _has(whole[node["metadata"]["name"]], asked) for node in nodes):
            return _too_large(pod, nodes, whole)
    if missing := _not_enough(wanted, whole):
        return Check(NAME, ERROR, missing, "request less, or run fewer tasks; an autoscaler may add nodes")
    if running is None:
        return Check(NAME, UNKNOWN, "each pod fits on a node; no permission to list the pods that use them now")
    if not _place(wanted, nodes, whole):
        message = "each pod fits on a node, but probably not all at the same time"
        return Check(NAME, WARNING, message, "request less, or run fewer tasks; an autoscaler may add nodes")
    if not _place(wanted, nodes, _free(whole, running)):
        return Check(NAME, WARNING, "not all pods fit beside those that run now", "the job will wait for them to end")
    return Check(NAME, OK, "all pods fit on nodes as they are now")


def setting(pod: Object) -> tuple[str, str]:
    """What a pod of the job is called, and where the values have its resources."""
    labels = pod["metadata"].get("labels") or {}
    name = labels.get(ROLE_LABEL) or labels.get(COMPONENT_LABEL)
    if name:
        return name, f"{name}.resources"
    own = pod["metadata"].get("generateName", "").rstrip("-")
    return own, f"{own} (extraObjects) resources"


def _requests(pod: Object) -> Mapping[str, Quantity]:
    amounts = pod_amounts(pod.get("spec") or {}, "requests")
    asked = {name: amount for name, amount in amounts.items() if name in _RESOURCES and amount.nanos}
    return {**asked, _PODS: parse(1)}


def _allocatable(node: Object) -> dict[str, int]:
    amounts = allocatable(node)
    return {name: parse(amounts[name]).nanos for name in _RESOURCES if name in amounts}


def _has(room: Mapping[str, int], asked: Mapping[str, Quantity]) -> bool:
    return all(room.get(name, amount.nanos) >= amount.nanos for name, amount in asked.items())


def _too_large(pod: Object, nodes: Sequence[Object], whole: _Room) -> Check:
    name, values = setting(pod)
    asked = {resource: amount for resource, amount in _requests(pod).items() if resource != _PODS}
    wanted = ", ".join(f"{resource} {amount.short()}" for resource, amount in asked.items())
    eligible = [whole[node["metadata"]["name"]] for node in nodes if fits(pod, node)]
    if not eligible:
        message = f"{name}: none of the {len(nodes)} nodes is eligible"
        return Check(NAME, ERROR, message, "correct nodeSelector, affinity and tolerations, or uncordon nodes")
    largest = max(eligible, key=lambda room: room.get("cpu", 0))
    has = ", ".join(
        f"{resource} {Quantity(amount, resource != 'cpu').short()}"
        for resource, amount in largest.items()
        if resource in ("cpu", "memory", *asked)
    )
    message = f"{name} requests {wanted}; the largest eligible node has {has}"
    return Check(NAME, ERROR, message, f"request less in {values}.requests; an autoscaler may add larger nodes")


def _not_enough(pods: _Wanted, whole: _Room) -> str:
    """A resource of which all nodes together have less than all pods request; empty without one."""
    for resource in _RESOURCES:
        if all(resource in room for room in whole.values()):
            wanted = sum((asked.get(resource, Quantity()) * count for _, count, asked in pods), Quantity())
            total = sum(room[resource] for room in whole.values())
            if wanted.nanos > total:
                nodes = Quantity(total, wanted.binary).short()
                asked_for = "are" if resource == _PODS else f"request {resource}"
                takes = "take" if resource == _PODS else "have"
                return f"all pods together {asked_for} {wanted.short()}; all nodes together {takes} {nodes}"
    return ""


def _free(whole: _Room, running: Iterable[Object]) -> _Room:
    """What running pods leave of the nodes."""
    free = {name: dict(room) for name, room in whole.items()}
    for pod in running:
        room = free.get((pod.get("spec") or {}).get("nodeName", ""))
        if room is not None and pod.get("status", {}).get("phase") not in _ENDED:
            _take(room, _requests(pod))
    return free


def _take(room: dict[str, int], asked: Mapping[str, Quantity]) -> None:
    for name, amount in asked.items():
        if name in room:
            room[name] -= amount.nanos


def _place(pods: _Wanted, nodes: Sequence[Object], room: _Room) -> bool:
    """Whether every pod finds a node, the largest ones first."""
    left = {name: dict(amounts) for name, amounts in room.items()}
    one_by_one = [(pod, asked) for pod, count, asked in pods for _ in range(count)]
    for pod, asked in sorted(one_by_one, key=lambda item: -sum(amount.nanos for amount in item[1].values())):
        for node in nodes:
            amounts = left[node["metadata"]["name"]]
            if _has(amounts, asked) and fits(pod, node):
                _take(amounts, asked)
                break
        else:
            return False
    return True
