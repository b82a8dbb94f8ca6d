"""Tasks that are slower than their peers, by the steps that they report. Pure.

Only tasks of one role are compared, and only where they are alike: at least MIN_PEERS of them report single steps, and
all the others but a quarter agree within a fifth. One is slow that makes less than half the steps of the median, in
each of LOOKS looks of LOOK_SECONDS in a row: saving, evaluating or reporting seldom is not being slow. In synchronous
training all make the same steps: there the CPU limit that stopped one of them tells more (usage.py).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ..task.contracts import JobSpec, ProgressDocument
from ..task.job_spec import Task, name
from ..task.progress import OFTEN
from .state import Container, Event, State
from .text import first_few

LOOK_SECONDS, LOOKS = 60.0, 3
MIN_PEERS, MIN_STEPS = 3, 20  # peers beside the slow one; steps of the median in a look
SLOW_SHARE, ALIKE_SHARE = 0.5, 0.2
MAX_SLOW = 10


class _Mark(NamedTuple):
    """The step of a container at a time."""

    container: Container
    when: float
    step: int


class StepRates:
    """The steps of the tasks from look to look."""

    def __init__(self) -> None:
        self._marks: dict[Task, _Mark] = {}
        self._slow_looks: dict[Task, int] = {}  # looks in a row in which a task was slow
        self._slow: dict[Task, str] = {}
        self._looked = 0.0

    def look(self, steps: Mapping[Task, tuple[Container, ProgressDocument]], now: float) -> dict[Task, str]:
        """The tasks that are slow by now, and how much; the same as before until the next look."""
        if now - self._looked < LOOK_SECONDS:
            return self._slow
        made: dict[Task, float] = {}
        marks: dict[Task, _Mark] = {}
        for task, (container, document) in steps.items():
            if document["source"] not in OFTEN:
                continue
            marks[task] = _Mark(container, now, document["step"])
            before = self._marks.get(task)
            if before and before.container == container and document["step"] >= before.step:
                made[task] = (document["step"] - before.step) / (now - before.when)
        self._marks, self._looked = marks, now
        slow = laggards(made, LOOK_SECONDS)
        self._slow_looks = {task: self._slow_looks.get(task, 0) + 1 for task in slow}
        self._slow = {task: slow[task] for task, times in self._slow_looks.items() if times >= LOOKS}
        return self._slow


def laggards(rates: Mapping[Task, float], seconds: float) -> dict[Task, str]:
    """Of these steps a second, measured over so many seconds: those of slow tasks, in words."""
    texts: dict[Task, str] = {}
    for role in {task.role for task in rates}:
        of_role = {task: rate for task, rate in rates.items() if task.role == role}
        median = statistics.median(of_role.values())
        slow = sorted(task for task, rate in of_role.items() if rate < SLOW_SHARE * median)
        alike = sum(abs(rate - median) <= ALIKE_SHARE * median for rate in of_role.values())
        others = len(of_role) - len(slow)
        if others < MIN_PEERS or median * seconds < MIN_STEPS or alike < 0.75 * len(of_role):
            continue
        texts |= {task: f"{of_role[task]:.3g} of {median:.3g} steps/s" for task in slow}
    return texts


def take_in_slow(job: JobSpec, state: State, slow: Mapping[Task, str]) -> tuple[State, list[Event]]:
    """The state with the tasks that are slower than their peers, and an Event about those that were not before."""
    known = set(state.slow)
    new = [task for task in sorted(slow) if task not in known and task not in state.succeeded]
    new = [task for task in new if task.index < job["replicas"].get(task.role, 0)][: MAX_SLOW - len(known)]
    if not new:
        return state, []
    named = first_few([f"{name(task)} ({slow[task]})" for task in new], len(new))
    text = f"slower than {'its' if len(new) == 1 else 'their'} peers: {named}; {consequence(job)}"
    return replace(state, slow=tuple(sorted([*known, *new]))), [Event("Warning", "SlowTasks", text)]


def consequence(job: JobSpec) -> str:
    """What a slow task does to the others."""
    if job["strategy"] == "MultiWorkerMirrored":
        return "synchronous training waits for the slowest task"
    if job["strategy"] == "ParameterServer":
        return "asynchronous training uses its stale gradients"
    return "synchronous training waits for the slowest task, asynchronous training uses its stale gradients"
