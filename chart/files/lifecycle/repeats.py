"""A failure that repeats: a task ends with the same exit status soon after its start, again and again. Pure.

Such a program has an error that no restart mends, so `restart.repeatLimit` of these failures end the job, though
`backoffLimit` allows more. It applies while nothing came of the run: no progress reported, no checkpoint written. And
only where nobody else can be the reason: every other task has started, and none was lost since. An evaluator is left
alone, which may well fail until there is a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import Task, tasks
from ..task.messages import SOON_SECONDS, WORKED
from .state import Exit, Pod, Repeated, State
from .text import plural


class RepeatCounter:
    """Counts these failures while one observation is judged. `pods`: those of this run."""

    def __init__(self, job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> None:
        self._job, self._pods, self._succeeded = job, pods, state.succeeded
        self._limit = job["restart"].get("repeatLimit")
        self._repeated = dict(state.repeated)
        self._absent_tasks: set[Task] | None = None  # what `_absent` found: thousands of tasks are looked at once
        self._worked = state.worked or state.progress is not None

    def fail(self, task: Task, exit_: Exit) -> str:
        """Note a failure; why it ends the job, or "" while it does not."""
        if exit_.message.startswith(WORKED):
            self._worked = True
        soon = exit_.started > 0 and exit_.finished - exit_.started < SOON_SECONDS
        if self._worked or not soon or task.role == "evaluator" or self._absent() - {task}:
            self._repeated.pop(task, None)
            return ""
        code, times = self._repeated.get(task, (exit_.code, 0))
        times = times + 1 if code == exit_.code else 1
        self._repeated[task] = Repeated(exit_.code, times)
        if self._limit is None or times < self._limit:
            return ""
        return (
            f"{plural(times, 'time')} in a row, each within {SOON_SECONDS} s of its start, with no progress or "
            f"checkpoint; restart.repeatLimit is {self._limit}"
        )

    def _absent(self) -> set[Task]:
        """The tasks that are neither done nor have started."""
        if self._absent_tasks is None:
            waiting = (task for task in tasks(self._job) if task not in self._succeeded)
            self._absent_tasks = {task for task in waiting if not _has_started(self._pods.get(task))}
        return self._absent_tasks

    def disrupt(self) -> None:
        """A task was lost or asked to end: what fails next may fail because of that."""
        self._repeated.clear()

    def stored(self, state: State) -> State:
        """The state with what was counted."""
        return replace(state, repeated={} if self._worked else self._repeated, worked=self._worked)


def _has_started(pod: Pod | None) -> bool:
    return pod is not None and pod.deleted is None and bool(pod.status == "Running" or pod.restarts or pod.current)
