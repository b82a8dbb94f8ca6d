"""Tasks that wait in a queue: how they are recognized, what they wait for, and the time that deadlines leave out. Pure.

A queue (Kueue) holds pods by a scheduling gate; a gang scheduler leaves all pods of a group unschedulable until it has
room for all. Kubernetes' own Jobs do not count suspended time against activeDeadlineSeconds either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..task.contracts import JobSpec
from ..task.job_spec import Task
from .state import Pod, State

GATED, UNSCHEDULABLE = "SchedulingGated", "Unschedulable"
SCHEDULABLE = "Schedulable"  # Volcano's word for a pod that a node could take, were it not for the others of its group
DEFAULT_SCHEDULER = "default-scheduler"
KUEUE_GATE, KUEUE_QUEUE = "kueue.x-k8s.io/admission", "kueue.x-k8s.io/queue-name"
# How Volcano, the coscheduling plugin and Kubernetes' own scheduler write that a pod waits for the others of its group.
_GROUP = re.compile(
    r"pod ?group|\bgang\b|optimistic rejection|rejection in Unreserve|\bmin(?:Count|Available|Member)\b"
    r"|at plugin (?:Coscheduling|GangScheduling)\b",
    re.IGNORECASE,
)
# A node would take this pod, but not all of them: Kubernetes' own; Volcano.
_NOT_ALL = re.compile(
    r"pod group is unschedulable\b|minCount \(\d+\) cannot be satisfied|Pod \S+ can possibly be assigned to "
)
# Volcano's sum over the group, and behind it the refusal of the one pod that found no node.
_ORIGIN = re.compile(r"pod group is not ready\b.*\bOrigin reason is \S+: (.+)", re.DOTALL)
# What schedulers add to the cause: what preemption would not help, and how their plugins passed the refusal on.
_ADDED = re.compile(r"[.,;]?\s*\b(?:no new claims to deallocate|preemption: |PodGroup \S+ gets rejected).*", re.DOTALL)
_REJECTED_WITH_GROUP = re.compile(
    r"optimistic rejection|rejection in Unreserve|PodGroup \S+ gets rejected"
    r"|at plugin (?:Coscheduling|GangScheduling)\b",
    re.IGNORECASE,
)
HAS_QUOTA = "has its quota, waits for admission checks"
_IDENTIFIERS = re.compile(r" \((?:UID|JobUID): [^)]*\)")
_POD_SET = re.compile(r"^couldn't assign flavors to pod set \S+: ")
WAITS_FOR_GROUP = "waits for the other pods of its group"


def waits_in_queue(reason: str, message: str) -> bool:
    """Whether a pod that has no node waits in a queue or for its group, by the reason and message of PodScheduled."""
    return reason in (GATED, SCHEDULABLE) or (reason == UNSCHEDULABLE and bool(_GROUP.search(message)))


def gate_text(spec: Mapping[str, Any], labels: Mapping[str, str], message: str) -> str:
    """What a gated pod waits for: its queue, or the names of its gates; Kubernetes' message names neither."""
    gates = [gate["name"] for gate in spec.get("schedulingGates") or ()]
    if KUEUE_GATE in gates:
        queue = labels.get(KUEUE_QUEUE)
        return f"in queue {queue} of Kueue" if queue else "not admitted by Kueue"
    return f"held by scheduling gate {', '.join(gates)}" if gates else message


def scheduler_text(spec: Mapping[str, Any]) -> str:
    """What a pod waits for that no scheduler has touched: another one than Kubernetes' own may not run at all."""
    name = spec.get("schedulerName") or DEFAULT_SCHEDULER
    if name == DEFAULT_SCHEDULER or spec.get("nodeName"):
        return ""
    return f"scheduler {name} has said nothing about the pod yet; if that lasts, check that {name} runs"


def cause(message: str) -> str:
    """The part of a scheduler's message that says why no node takes the pod."""
    if _NOT_ALL.match(message):
        return WAITS_FOR_GROUP
    origin = _ORIGIN.search(message)
    text = _ADDED.sub("", origin.group(1) if origin else message)
    if text.strip(" .,;"):
        return WAITS_FOR_GROUP if text == message and _REJECTED_WITH_GROUP.search(message) else text
    return WAITS_FOR_GROUP if _REJECTED_WITH_GROUP.search(message) else message


def queue_text(events: Sequence[Mapping[str, Any]]) -> str:
    """Why Kueue does not admit the job, by the Events of its Workload, newest last: evicted, and what is missing."""
    admitted = max((at for at, event in enumerate(events) if event.get("reason") == "Admitted"), default=-1)
    evicted, missing = "", ""
    for event in events[admitted + 1 :]:
        reason, message = event.get("reason", ""), event.get("message", "")
        if reason == "QuotaReserved":
            evicted, missing = "", HAS_QUOTA
        elif reason == "AdmissionCheckUpdated":
            missing = f"{HAS_QUOTA}: {message}"
        elif reason in ("AdmissionGated", "AdmissionGateCleared"):
            missing = message if reason == "AdmissionGated" else ""
        elif event.get("type") == "Warning":
            missing = without_pod_set(message)
        elif reason == "Preempted" or reason.startswith("EvictedDueTo"):
            evicted = _IDENTIFIERS.sub("", message).split("; ")[0]
            missing = "" if missing.startswith(HAS_QUOTA) else missing
    return "; ".join(filter(None, (evicted, missing)))


def without_pod_set(message: str) -> str:
    """Kueue's reason, without its name for some of the pods."""
    return _POD_SET.sub("", message)


def in_queue(job: JobSpec, absent: Iterable[Task], pods: Mapping[Task, Pod]) -> bool:
    """Whether all tasks that do not run wait in a queue, so that deadlines stand still."""
    if job["deadlines"].get("countQueuedTime"):
        return False
    waiting = [pods.get(task) for task in absent]
    held = [pod for pod in waiting if pod and pod.deleted is None and pod.reason in (GATED, UNSCHEDULABLE)]
    return len(held) == len(waiting) and any(pod.reason == GATED or pod.queued for pod in held)


def note_queue_time(state: State, queued: bool, now: float) -> State:
    """The state with the time in the queue until now."""
    if queued:
        return state if state.queued_since is not None else replace(state, queued_since=now)
    if state.queued_since is None:
        return state
    return replace(
        state, queued_since=None, queued_seconds=round(state.queued_seconds + max(0.0, now - state.queued_since), 3)
    )


def clock_start(state: State) -> float | None:
    """From when the seconds of deadlines count; None while they stand still."""
    return state.started + state.queued_seconds if state.queued_since is None else None


def counted_seconds(state: State, now: float) -> float:
    """Seconds since the start, without those in a queue."""
    return (now if state.queued_since is None else state.queued_since) - state.started - state.queued_seconds
