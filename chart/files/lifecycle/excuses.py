"""Ends that are not counted as failures: who confirms them, and how many are left uncounted. Pure.

The program can write the termination message, too. So a message that claims that the task was asked to end is believed
only where Kubernetes shows who asked: the pod was deleted, evicted or preempted, or its sandbox was stopped under it (a
node that restarts). What a program can bring about itself is excused MAX_EXCUSES times, and again each EXCUSE_SECONDS:
an end of a built-in server that had been ready, which nobody else can confirm, an eviction by its kubelet, which also
comes from a disk or memory that the program filled, and the restart of all containers that one beside it asked for.
"""

from __future__ import annotations

from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import runs_server
from ..task.messages import SERVED
from .state import RESTARTED_BESIDE, Exit, Pod, State

MAX_EXCUSES = 10
EXCUSE_SECONDS = 1800.0
SANDBOX_SECONDS = 10.0  # between the start of a container and the news of its sandbox, at most
# Reasons of a kubelet that ended a pod: of the condition DisruptionTarget, or of the pod's status without one.
_BY_KUBELET = ("TerminationByKubelet", "Evicted", RESTARTED_BESIDE)


def is_disrupted(job: JobSpec, pod: Pod, exit_: Exit) -> bool:
    """Whether an exit has its cause outside of the task, as far as that is known."""
    return _is_confirmed(pod, exit_) or (runs_server(job, pod.task.role) and exit_.message.startswith(SERVED))


def _is_confirmed(pod: Pod, exit_: Exit) -> bool:
    whole_pod = exit_ is pod.current and (pod.deleted is not None or bool(pod.disrupted))
    # A container that ends at once may have ended before the kubelet wrote down that its sandbox is there.
    # Kubernetes' times are in whole seconds.
    in_another = pod.sandbox_since >= exit_.finished and pod.sandbox_since - exit_.started > SANDBOX_SECONDS
    return whole_pod or exit_.reason == RESTARTED_BESIDE or (exit_.started > 0 and in_another)


class ExcuseCounter:
    """Counts the excuses of each task while one observation, made at `now`, is judged."""

    def __init__(self, state: State, now: float) -> None:
        self._now = now
        # Until when each task's excuses are used up, were it to get one more each EXCUSE_SECONDS.
        self._excused = {task: until for task, until in state.excused.items() if until > now}

    def excuse(self, pod: Pod, exit_: Exit) -> bool:
        """Whether this disruption goes uncounted."""
        if _is_confirmed(pod, exit_) and not {pod.disrupted, exit_.reason}.intersection(_BY_KUBELET):
            return True
        until = max(self._excused.get(pod.task, self._now), self._now) + EXCUSE_SECONDS
        if until > self._now + MAX_EXCUSES * EXCUSE_SECONDS:
            return False
        self._excused[pod.task] = until
        return True

    def stored(self, state: State) -> State:
        """The state with what was counted."""
        return replace(state, excused=self._excused)
