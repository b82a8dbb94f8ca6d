"""When tasks ran and were done: for each role how many, and for a few tasks each by itself. Pure.

Of a job of few tasks all are kept; of a larger one those that were started again, the first few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..task.contracts import JobSpec
from ..task.job_spec import ROLES, Task, name, parse_name, tasks
from .state import Change, Pod, State
from .training import is_running

MAX_TASKS, MAX_CHANGES = 8, 12
PAST_TASKS, PAST_CHANGES = 4, 4  # of a run that is over

Timelines = Mapping[str, tuple[Change, ...]]


def continued(job: JobSpec, state: State, pods: Mapping[Task, Pod], before: Timelines, now: float) -> Timelines:
    """The timelines with what has changed since; those of roles first. The end is the last change."""
    if state.ended and now != state.finished:
        return before
    # Of thousands of pods: no call for each.
    own = [(task, pod) for task, pod in pods.items() if pod.run_id == job["runId"]]
    restarted = [task for task, pod in own if pod.restarts]
    up = [task for task, pod in own if pod.status == "Running" and not pod.unreachable]
    running = Counter([task.role for task in up if task not in state.succeeded])
    done = Counter([task.role for task in state.succeeded])
    counts = {role: (running[role], done[role]) for role, size in job["replicas"].items() if size}
    for task in _single_tasks(job, restarted, before):
        pod = pods.get(task)
        runs_now = pod is not None and pod.run_id == job["runId"] and is_running(pod) and task not in state.succeeded
        counts[name(task)] = (int(runs_now), int(task in state.succeeded))
    lines = {key: _appended(before.get(key, ()), Change(now, *numbers)) for key, numbers in counts.items()}
    return before if lines == before else lines


def past_timelines(timelines: Timelines) -> Timelines:
    """Of a run that is over, smaller."""
    roles, few = [key for key in timelines if key in ROLES], [key for key in timelines if key not in ROLES]
    return {key: _thinned(timelines[key], PAST_CHANGES) for key in [*roles, *few[:PAST_TASKS]]}


def _single_tasks(job: JobSpec, restarted: list[Task], before: Timelines) -> list[Task]:
    if sum(job["replicas"].values()) <= MAX_TASKS:
        return tasks(job)
    known = [parse_name(key) for key in before if key not in ROLES]
    room = MAX_TASKS - len(known)
    return [*known, *sorted(set(restarted).difference(known))[:room]] if room > 0 and restarted else known


def _appended(line: tuple[Change, ...], change: Change) -> tuple[Change, ...]:
    if line and line[-1][1:] == change[1:]:
        return line
    return _thinned((*line, change), MAX_CHANGES)


def _thinned(line: Sequence[Change], limit: int) -> tuple[Change, ...]:
    """Without the changes that lasted shortest; the first and the last stay."""
    left = list(line)
    while len(left) > limit:
        del left[min(range(1, len(left) - 1), key=lambda index: left[index + 1].time - left[index].time)]
    return tuple(left)
