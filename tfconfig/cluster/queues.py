"""What Kueue says of a job in its queue: the condition of the job's Workload, which no Event repeats."""

from __future__ import annotations

from collections.abc import Iterable

from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.kubectl import Kubectl, Object
from tfconfig.tensorflow_job.lifecycle.queues import KUEUE_GATE, without_pod_set

_GROUP_LABEL = "kueue.x-k8s.io/pod-group-name"
_RESERVED = "QuotaReserved"


def queue_message(kubectl: Kubectl, pods: Iterable[Object]) -> str:
    """Why Kueue does not admit the pods; empty where none waits for it, or the user may not look at its Workloads."""
    name = workload_name(pods)
    if not name:
        return ""
    try:
        path = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{kubectl.namespace}/workloads/{name}"
        return condition_message(kubectl.get(path))
    except ClusterError:
        return ""


def workload_name(pods: Iterable[Object]) -> str:
    """The Workload of the pods that Kueue holds; empty where it holds none."""
    for pod in pods:
        gates = [gate["name"] for gate in (pod.get("spec") or {}).get("schedulingGates") or ()]
        name = (pod["metadata"].get("labels") or {}).get(_GROUP_LABEL, "")
        if KUEUE_GATE in gates and name:
            return str(name)
    return ""


def condition_message(workload: Object) -> str:
    """Why a Workload has no quota, in Kueue's words."""
    for condition in workload.get("status", {}).get("conditions") or ():
        if condition.get("type") == _RESERVED and condition.get("status") == "False":
            return without_pod_set(str(condition.get("message", "")))
    return ""
