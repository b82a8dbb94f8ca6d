"""Gang scheduling by Kubernetes' own scheduler: whether the cluster does it. Pure.

Where the feature gate GenericWorkload is off, the API server drops spec.schedulingGroup of pods in silence, and the
scheduler ignores it: kubernetes/pkg/api/pod/util.go (dropDisabledSchedulingGroup), pkg/scheduler/schedule_one.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..task.contracts import JobSpec
from ..task.job_spec import Task
from .queues import UNSCHEDULABLE
from .state import Event, Pod, State

GATE = "feature gate GenericWorkload"
DROPPED = (
    f"tasks start one by one: the API server dropped the PodGroup of their pods, since its {GATE} is off; turn it on, "
    "or remove podGroup.scheduler"
)
IGNORED = (
    f"some tasks run while others have no node: the scheduler does not start them together; turn its {GATE} on, or "
    "remove podGroup.scheduler"
)


def group_text(spec: Mapping[str, Any]) -> str:
    """What a pod waits for that the scheduler has not looked at yet: it says nothing itself. Empty without a group."""
    name = group_name(spec)
    return f"waits for PodGroup {name}, or for the other pods of it" if name and not spec.get("nodeName") else ""


def group_name(spec: Mapping[str, Any]) -> str:
    """The PodGroup of a pod; empty without one."""
    name: str = (spec.get("schedulingGroup") or {}).get("podGroupName") or ""
    return name


def gang_text(job: JobSpec, state: State, absent: Iterable[Task], pods: Mapping[Task, Pod]) -> str:
    """How the cluster fails to start all tasks together, or none; empty where it does, or is not asked to."""
    if not job.get("gang"):
        return ""
    if not all(pod.group for pod in pods.values()):
        return DROPPED
    if state.all_ran is not None:  # later a single task may have to wait for a node
        return ""
    waiting = [pods[task] for task in absent if task in pods and pods[task].reason == UNSCHEDULABLE]
    alone = any(pod.status == "Running" for pod in pods.values())
    return IGNORED if alone and waiting and not any(pod.queued for pod in waiting) else ""


def gang_events(text: str, before: str) -> list[Event]:
    """The Event of it, unless the message before it had it."""
    return [Event("Warning", "NotStartedTogether", text)] if text and text not in before else []
