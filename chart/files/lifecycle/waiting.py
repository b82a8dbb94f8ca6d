"""How the status explains what a job waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name, tasks
from .freeing import SILENT_SECONDS, lost
from .queues import UNSCHEDULABLE, WAITS_FOR_GROUP
from .state import Observation, Pod
from .text import MAX_NAMES, NO_POD


def waiting_text(job: JobSpec, absent: Sequence[Task], observation: Observation, pods: Mapping[Task, Pod]) -> str:
    """What is waited for: the first few tasks, or all, with the same reason together. `pods`: those of this run."""
    reasons = {task: _why(job, task, observation, pods.get(task)) for task in absent}
    follows = f"{UNSCHEDULABLE}: {WAITS_FOR_GROUP}"
    if follows in reasons.values():  # of a group, one task tells why all wait
        leading = next((why for why in reasons.values() if why.startswith(UNSCHEDULABLE) and why != follows), follows)
        reasons = {task: leading if why == follows else why for task, why in reasons.items()}
    total = len(tasks(job))
    if total > MAX_NAMES and len(absent) == total and len(set(reasons.values())) == 1:
        return f"all {total} tasks: {reasons[absent[0]]}"
    groups: dict[str, list[str]] = {}
    for task in absent[:MAX_NAMES]:
        groups.setdefault(reasons[task], []).append(name(task))
    texts = [f"{', '.join(waiting)}: {why}" for why, waiting in groups.items()]
    more = f" (and {len(absent) - MAX_NAMES} more of {total})" if len(absent) > MAX_NAMES else ""
    return "; ".join(texts) + more


def running_text(job: JobSpec) -> str:
    """Nothing is waited for."""
    total = len(tasks(job))
    return f"all {total} tasks run or are done" if total != 1 else "the task runs or is done"


def lost_text(job: JobSpec, pods: Iterable[Pod]) -> str:
    """The nodes of lost pods, and what restart.nodeLoss does about them."""
    nodes = ", ".join(sorted({pod.node for pod in pods})[:MAX_NAMES])
    wait = "" if job["restart"]["nodeLoss"] == "Replace" else "; restart.nodeLoss Wait: its pod is not replaced"
    return f"node {nodes} does not answer{wait}"


def backoff_text(seconds: float) -> str:
    """A container that the kubelet restarts later."""
    return f"restarts after a back-off of {seconds:.0f} s"


def _why(job: JobSpec, task: Task, observation: Observation, pod: Pod | None) -> str:
    if pod is None:
        return observation.missing.get(task.role) or NO_POD
    if pod.unreachable or lost([pod], observation.now, SILENT_SECONDS):
        return lost_text(job, [pod])
    if pod.deleted is not None:
        return "its pod is being deleted"
    if pod.backoff:
        return backoff_text(pod.backoff)
    return ": ".join(text for text in (pod.reason, pod.message) if text) or pod.status.lower()
