"""Whether the queues and priority classes of Kueue that a job names exist, and whether its queue can ever take it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypedDict

from tfconfig.cluster.errors import malformed
from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check, Object, PodCounts
from tfconfig.tensorflow_job.lifecycle.queues import KUEUE_QUEUE
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, conforming
from tfconfig.values.pod_amounts import Amounts, pod_amounts, summed
from tfconfig.values.quantity import Quantity, parse

Get = Callable[[str], "Object | None"]  # an API path -> the object; empty: does not exist; None: no permission

GROUP, VERSION = "kueue.x-k8s.io", "v1beta2"
PRIORITY = "kueue.x-k8s.io/priority-class"
_API = f"/apis/{GROUP}/{VERSION}"
ASK_ADMINISTRATOR = "ask the administrator of the queue"
PODS = "pods"
_STOPPED = ("Hold", "HoldAndDrain")


class _Condition(TypedDict):
    type: str
    status: str


class _Active(_Condition, total=False):
    message: str


class _Status(TypedDict, total=False):
    conditions: list[_Active]


class _LocalSpec(TypedDict, total=False):
    clusterQueue: str
    stopPolicy: str


class _LocalQueue(TypedDict, total=False):
    spec: _LocalSpec
    status: _Status


class _Resource(TypedDict, total=False):
    name: str
    nominalQuota: Any


class _Flavor(TypedDict, total=False):
    resources: list[_Resource]


class _Resources(TypedDict, total=False):
    coveredResources: list[str]
    flavors: list[_Flavor]


class _ClusterSpec(TypedDict, total=False):
    cohortName: str
    stopPolicy: str
    namespaceSelector: dict[str, Any]
    resourceGroups: list[_Resources]


class _ClusterQueue(TypedDict, total=False):
    spec: _ClusterSpec
    status: _Status


class _Version(TypedDict):
    version: str


class _Group(TypedDict):
    name: str
    versions: list[_Version]


class _Groups(TypedDict):
    groups: list[_Group]


def check_kueue(get: Get, namespace: str, owners: Sequence[Object], pods: PodCounts) -> list[Check]:
    """A check for each queue and class that the owners name; `pods`: those of the owners, in the same order."""
    queues = [_label(owner, KUEUE_QUEUE) for owner in owners]
    classes = [_label(owner, PRIORITY) for owner in owners]
    if not any(queues) and not any(classes):
        return []
    installed = _installed(get)
    if installed is False:
        message = f"is not installed ({_API} is not served), but the values name a queue of it"
        return [
            Check("Kueue", ERROR, message, "install Kueue 0.18 or newer, or remove the labels of values/kueue.yaml")
        ]
    checks: list[Check] = []
    for queue in dict.fromkeys(filter(None, queues)):
        needed = [(pod, count) for own, (pod, count) in zip(queues, pods, strict=True) if own == queue]
        checks += _check_queue(get, namespace, queue, needed)
    for name in dict.fromkeys(filter(None, classes)):
        checks.append(_check_class(get, name))
    return checks


def _label(owner: Object, name: str) -> str:
    """A label as Kueue reads it: of the pods of a StatefulSet, and of a Job itself."""
    metadata = owner["metadata"] if owner["kind"] == "Job" else owner["spec"]["template"].get("metadata") or {}
    return str((metadata.get("labels") or {}).get(name, ""))


def _installed(get: Get) -> bool | None:
    answer = get("/apis")
    if not answer:
        return None
    groups: _Groups = _of_type(answer, _Groups)
    return any(
        group["name"] == GROUP and any(version["version"] == VERSION for version in group["versions"])
        for group in groups["groups"]
    )


def _check_queue(get: Get, namespace: str, name: str, pods: PodCounts) -> Iterator[Check]:
    check = f"LocalQueue {name}"
    answer = get(f"{_API}/namespaces/{namespace}/localqueues/{name}")
    if answer is None:
        yield Check(check, UNKNOWN, "no permission to get it", "make sure that it exists: kubectl get localqueues")
        return
    if not answer:
        fix = f"create it, or correct the label {KUEUE_QUEUE}; list them: kubectl get localqueues"
        yield Check(check, ERROR, "is not in the namespace; the job would wait for it", fix)
        return
    queue: _LocalQueue = _of_type(answer, _LocalQueue)
    cluster_queue = queue.get("spec", {}).get("clusterQueue", "")
    stopped = _stopped(queue.get("spec", {}).get("stopPolicy", ""), queue.get("status", {}))
    if stopped:
        yield Check(check, WARNING, f"{stopped}; the job would wait", ASK_ADMINISTRATOR)
        return
    yield Check(check, OK, f"of ClusterQueue {cluster_queue}")
    yield from _check_cluster_queue(get, cluster_queue, pods)


def _check_cluster_queue(get: Get, name: str, pods: PodCounts) -> Iterator[Check]:
    check = f"ClusterQueue {name}"
    answer = get(f"{_API}/clusterqueues/{name}")
    if answer is None:
        yield Check(check, UNKNOWN, "no permission to get it; its quota is not checked")
        return
    if not answer:
        yield Check(check, ERROR, "does not exist; the job would wait for it", ASK_ADMINISTRATOR)
        return
    queue: _ClusterQueue = _of_type(answer, _ClusterQueue)
    spec = queue.get("spec", {})
    stopped = _stopped(spec.get("stopPolicy", ""), queue.get("status", {}))
    if stopped:
        yield Check(check, WARNING, f"{stopped}; the job would wait", ASK_ADMINISTRATOR)
    if spec.get("namespaceSelector") is None:
        message = "has no namespaceSelector, and so takes jobs of no namespace; the job would wait for ever"
        yield Check(check, ERROR, message, ASK_ADMINISTRATOR)
    groups = spec.get("resourceGroups", [])
    needed = summed([_times(pod_amounts(pod["spec"], "requests"), count) for pod, count in pods])
    covered = {name for group in groups for name in group.get("coveredResources", [])}
    if PODS in covered:  # counts, where it is there
        needed[PODS] = parse(sum(count for _, count in pods))
    missing = sorted(name for name, amount in needed.items() if amount.nanos and name not in covered)
    if missing:
        message = f"has no quota for {', '.join(missing)}, which the job requests; Kueue does not admit it"
        yield Check(check, ERROR, message, "have the quota extended, or request only what it has")
    if spec.get("cohortName"):  # may borrow what others leave
        return
    quotas = _quotas(groups)
    larger = [
        f"{name} needed {amount}, quota {quotas[name]}"
        for name, amount in sorted(needed.items())
        if name in quotas and amount.nanos > quotas[name].nanos
    ]
    if larger:
        message = f"{'; '.join(larger)}: the job is larger than the queue, and would wait for ever"
        yield Check(check, ERROR, message, "request less, or have the quota raised")


def _check_class(get: Get, name: str) -> Check:
    check = f"WorkloadPriorityClass {name}"
    answer = get(f"{_API}/workloadpriorityclasses/{name}")
    if answer is None:
        fix = "make sure that it exists: kubectl get workloadpriorityclasses"
        return Check(check, UNKNOWN, "no permission to get it", fix)
    if answer:
        return Check(check, OK, "exists")
    fix = f"correct the label {PRIORITY}; list them: kubectl get workloadpriorityclasses"
    return Check(check, ERROR, "does not exist; Kueue would not admit the job", fix)


def _stopped(policy: str, status: _Status) -> str:
    """Why a queue takes nothing now; empty where it does."""
    if policy in _STOPPED:
        return f"is stopped (stopPolicy {policy})"
    for condition in status.get("conditions", []):
        if condition["type"] == "Active" and condition["status"] == "False":
            return f"is not active ({condition.get('message', '')})"
    return ""


def _quotas(groups: Iterable[_Resources]) -> Amounts:
    """The nominal quota of each resource, of all flavors together."""
    total: Amounts = {}
    for group in groups:
        for flavor in group.get("flavors", []):
            for resource in flavor.get("resources", []):
                name = resource.get("name", "")
                total[name] = total.get(name, Quantity()) + parse(resource.get("nominalQuota", 0))
    return total


def _times(amounts: Amounts, count: int) -> Amounts:
    return {name: amount * count for name, amount in amounts.items()}


def _of_type(answer: Object, kind: Any) -> Any:
    try:
        return conforming(answer, kind)
    except ShapeError as error:
        raise malformed(error) from None
