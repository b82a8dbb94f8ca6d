"""Deadlines of a run, and pods that will never start. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import Task
from .endings import failed
from .known_failures import advice
from .pod_status import START_ERRORS
from .queues import counted_seconds, in_queue, note_queue_time
from .state import Observation, Pod, State
from .text import duration
from .training import not_running
from .waiting import waiting_text

# Waiting reasons that do not go away by waiting, as the kubelet writes them (kubernetes/pkg/kubelet/images/types.go,
# kuberuntime/kuberuntime_container.go).
NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "ErrImageNeverPull", "InvalidImageName"}
NO_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "CreatePodSandboxError", "InitContainerFailed"}
UNSTARTABLE = NO_IMAGE | NO_CONTAINER | {"RegistryUnavailable", *START_ERRORS}


def check_deadlines(job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod]) -> State:
    """Note when all tasks ran for the first time; fail a run whose deadline has passed. `pods`: those of this run."""
    deadlines, now = job["deadlines"], observation.now
    active, start = deadlines["activeSeconds"], deadlines["startSeconds"]
    absent = not_running(job, state, pods)
    state = note_queue_time(state, bool(absent) and in_queue(job, absent, pods), now)
    queued = f", not counting {duration(state.queued_seconds)} in a queue" if state.queued_seconds >= 1 else ""
    if active is not None and counted_seconds(state, now) >= active:
        message = f"the run was still active after deadlines.activeSeconds ({active} s{queued})"
        return failed(state, now, "DeadlineExceeded", message)
    if not absent and state.all_ran is None:
        state = replace(state, all_ran=now)
    if start is not None and state.all_ran is None and counted_seconds(state, now) >= start:
        waiting = waiting_text(job, absent, observation, pods)
        message = f"not all tasks ran within deadlines.startSeconds ({start} s{queued}): {waiting}"
        return failed(state, now, "StartDeadlineExceeded", message, absent[0])
    return _check_unstartable(job, state, observation, pods, absent)


def _check_unstartable(
    job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod], absent: list[Task]
) -> State:
    now, limit = observation.now, job["deadlines"]["unstartableSeconds"]
    stuck = [task for task in absent if task in pods and pods[task].reason in UNSTARTABLE]
    state = replace(state, unstartable={task: state.unstartable.get(task, now) for task in stuck})
    for task, since in state.unstartable.items():
        if limit is not None and now - since >= limit:
            waiting = waiting_text(job, [task], observation, pods)
            message = f"{waiting} (for {limit} s, deadlines.unstartableSeconds)"
            hint = advice("", None, pods[task].reason)
            return replace(failed(state, now, "PodsCannotStart", message, task), hint=hint)
    return state
