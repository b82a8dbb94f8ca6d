"""What Kueue says of a job in its queue: the condition of the job's Workload, which no Event repeats."""

from __future__ import annotations

from collections.abc import Iterable

from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.kubectl import Kubectl, Object
from tfconfig.tensorflow_job.lifecycle.queues import HAS_QUOTA, KUEUE_GATE, without_pod_set

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
    """Why a Workload has no quota, or which admission checks it waits for, in Kueue's words."""
    status = workload.get("status", {})
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    reserved = conditions.get(_RESERVED, {})
    if reserved.get("status") == "False":
        return without_pod_set(str(reserved.get("message", "")))
    if reserved.get("status") != "True" or conditions.get("Admitted", {}).get("status") == "True":
        return ""
    checks = [
        f"{check.get('name', '')} is {check.get('state', '')}"
        + (f" ({check['message']})" if check.get("message") else "")
        for check in status.get("admissionChecks") or ()
        if check.get("state") != "Ready"
    ]
    return f"{HAS_QUOTA}: {', '.join(checks)}" if checks else ""
