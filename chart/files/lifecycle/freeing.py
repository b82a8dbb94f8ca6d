"""How pods are taken away: which, in what order, with what grace. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..task.contracts import JobSpec
from ..task.job_spec import Task, runs_server
from .state import Action, Delete, Event, Finish, Observation, Pod, Scale, State

# The node of a pod that had to be gone this long ago is reported as one that does not answer ...
SILENT_SECONDS = 15.0
# ... and after this time it is no longer waited for. After an outage of the API server a kubelet asks again up to 60 s
# later (client-go's reflectors wait up to 30 s, and as much again at random), and then has to stop the containers.
LOST_SECONDS = 90.0

# A set's own deletion takes the pod's whole grace where a container is just being started again, to park: stopped
# before its Python runs, it never sees SIGTERM (PID 1 ignores what it does not handle). So this many pods of tasks that
# ended are deleted before the sets are scaled, with a grace of a second.
DELETED_BEFORE_SCALING = 16
SHORT_GRACE_SECONDS = 1


def free(job: JobSpec, observation: Observation, roles: Iterable[str]) -> list[Action]:
    """Sets to 0, and their pods deleted by name as well: scaling alone frees 20 tasks a second."""
    roles = set(roles)
    scales: list[Action] = [Scale(role, 0) for role, size in observation.sets.items() if role in roles and size.desired]
    return scales + deletions(job, (pod for pod in observation.pods.values() if pod.task.role in roles))


def keeps(job: JobSpec, success: bool) -> bool:
    """Whether the user wants to look at pods after this end."""
    return job["cleanup"]["onSuccess" if success else "onFailure"] != "Delete"


def freed_roles(job: JobSpec, success: bool, roles: Iterable[str]) -> list[str]:
    """Those of the roles whose pods go at the end: all, those that hold GPUs or shares of them, or none."""
    rule = job["cleanup"]["onSuccess" if success else "onFailure"]
    return [role for role in roles if rule == "Delete" or (rule == "Keep" and _devices(job, role))]


def holds_anything(observation: Observation, roles: Iterable[str]) -> bool:
    """Whether anything of these roles is left to free.

    A pod on a lost node is not waited for: nobody else can use what it holds.
    """
    roles = set(roles)
    pods = [pod for pod in observation.pods.values() if pod.task.role in roles]
    gone = lost(pods, observation.now)
    if len(pods) > len(gone):
        return True
    return any(
        size.desired or not size.observed or size.current > sum(pod.task.role == role for pod in gone)
        for role, size in observation.sets.items()
        if role in roles
    )


def deletions(job: JobSpec, pods: Iterable[Pod]) -> list[Action]:
    """Pods that hold GPUs, or shares of them, first."""
    todo = sorted((pod for pod in pods if pod.deleted is None), key=lambda pod: -_devices(job, pod.task.role))
    return [Delete(pod.task, pod.uid) for pod in todo]


def _devices(job: JobSpec, role: str) -> int:
    return job["gpus"].get(role, 0) or int(role in job.get("devices", []))


def lost(pods: Iterable[Pod], now: float, seconds: float = LOST_SECONDS) -> list[Pod]:
    """Pods still there so long after the time they had to be gone by: their node does not answer."""
    return [pod for pod in pods if pod.deleted is not None and now > pod.deleted + seconds]


def replacements(job: JobSpec, pods: Iterable[Pod], now: float) -> list[Action]:
    """With restart.nodeLoss Replace: pods of nodes that do not answer, deleted by force after the grace."""
    if job["restart"]["nodeLoss"] != "Replace":
        return []
    grace = max(job["restart"]["nodeLossGraceSeconds"], SILENT_SECONDS)
    return [Delete(pod.task, pod.uid, force=True) for pod in lost(pods, now, grace)]


def in_order(job: JobSpec, state: State, actions: Iterable[Action]) -> list[Action]:
    """Events, then what frees and scales, with the grace of each deletion, then the end."""
    actions = list(actions)
    scaling = any(isinstance(action, Scale) for action in actions)
    events: list[Action] = []
    first: list[Action] = []
    scales: list[Action] = []
    later: list[Action] = []
    ends: list[Action] = []
    for action in actions:
        if isinstance(action, Event):
            events.append(action)
        elif isinstance(action, Scale):
            scales.append(action)
        elif isinstance(action, Finish):
            ends.append(action)
        else:
            ended = _has_ended(state, action.task)
            delete = Delete(action.task, action.uid, action.force, _grace(job, action, ended))
            early = scaling and ended and not action.force and len(first) < DELETED_BEFORE_SCALING
            (first if early else later).append(delete)
    return [*events, *first, *scales, *later, *ends]


def _has_ended(state: State, task: Task) -> bool:
    return task in state.succeeded or (task == state.deciding_task and state.exit_code is not None)


def _grace(job: JobSpec, action: Delete, ended: bool) -> int | None:
    """Servers have nothing to save, and parameter servers are servers whoever starts them."""
    if action.force or action.grace is not None:
        return action.grace
    serves = action.task.role == "ps" or runs_server(job, action.task.role)
    return SHORT_GRACE_SECONDS if serves or ended else None
