"""How the status explains what a job waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name, tasks
from .freeing import SILENT_SECONDS, lost
from .state import Observation, Pod
from .text import MAX_NAMES


def waiting_text(job: JobSpec, absent: Sequence[Task], observation: Observation, pods: Mapping[Task, Pod]) -> str:
    """What is waited for: the first few tasks, each with its reason. `pods`: those of this run."""
    texts = [f"{name(task)}: {_why(job, task, observation, pods.get(task))}" for task in absent[:MAX_NAMES]]
    more = f" (and {len(absent) - MAX_NAMES} more of {len(tasks(job))})" if len(absent) > MAX_NAMES else ""
    return "; ".join(texts) + more


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
        return observation.missing.get(task.role) or "no pod yet"
    if pod.unreachable or lost([pod], observation.now, SILENT_SECONDS):
        return lost_text(job, [pod])
    if pod.deleted is not None:
        return "its pod is being deleted"
    if pod.backoff:
        return backoff_text(pod.backoff)
    return ": ".join(text for text in (pod.reason, pod.message) if text) or pod.status.lower()
