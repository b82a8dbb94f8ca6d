"""What the exits of containers mean: success, failure that counts, disruption that does not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ..task.contracts import JobSpec, Reason
from ..task.job_spec import Task, always_restarts, may_restart, name, runs_server
from ..task.messages import STOPPED
from .doubts import take_in_doubts
from .endings import failed
from .excuses import MAX_EXCUSES, ExcuseCounter, is_disrupted
from .pod_status import START_ERRORS
from .repeats import RepeatCounter
from .stalls import hung_pods, last_progress
from .state import Event, Exit, HandledExits, Observation, Pod, State
from .text import exit_text, plural
from .training import deciding_tasks
from .waves import FailureCounter

MAX_EVENTS = 10  # of exits in one decision; events.py limits them over time


class UnhandledExit(NamedTuple):
    """Something that happened to a pod and has not been dealt with. No exit: the pod before it was lost."""

    when: float
    pod: Pod
    exit: Exit | None


class _Fatal(NamedTuple):
    """An exit that ends the run."""

    reason: Reason
    message: str


def handle_exits(
    job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod]
) -> tuple[State, list[Event]]:
    """Deal with every exit of this run's pods that was not dealt with yet, oldest first."""
    unhandled_exits, handled = unhandled(state, pods)
    counter, repeats, events = FailureCounter(state), RepeatCounter(job, state, pods), list[Event]()
    excuses = ExcuseCounter(state, observation.now)
    succeeded, restarts = set(state.succeeded), state.restarts
    deciding = set(deciding_tasks(job))
    undecided = deciding - succeeded
    hung = {pod.uid for pod in hung_pods(job, state, pods)}  # whose restarts were counted with the stall
    for when, pod, exit_ in unhandled_exits:
        if pod.task in succeeded or (exit_ and exit_.reason in START_ERRORS):  # deadlines.py ends what never starts
            continue
        if exit_ is None:
            counter.disrupt(pod.task, when)
            repeats.disrupt()
        elif _is_success(job, pod, exit_):
            state = last_progress(job, state, pod.task, exit_)
            if pod.task in deciding:
                state, warnings = take_in_doubts(job, state, pod.task, exit_)
                events += warnings
            succeeded.add(pod.task)
            undecided.discard(pod.task)
        elif not undecided or observation.suspend:
            # Training is over or suspended: failures of peers mean nothing now. A failed evaluator is not waited for.
            if not undecided and pod.task.role == "evaluator" and not is_disrupted(job, pod, exit_):
                state = replace(state, evaluator_failed=True)
        else:
            verdict = _judge(job, counter, repeats, excuses, pod, exit_)
            if isinstance(verdict, _Fatal):
                state = failed(state, observation.now, *verdict, task=pod.task, exit_=exit_)
                break
            events.append(verdict)
            restarts += pod.uid not in hung
    if len(events) > MAX_EVENTS:
        events[MAX_EVENTS:] = [Event("Normal", "TasksEnded", f"{len(events) - MAX_EVENTS} more exits")]
    return replace(
        excuses.stored(repeats.stored(counter.stored(state))),
        succeeded=frozenset(succeeded),
        handled={task: exits for task, exits in handled.items() if task not in succeeded},
        restarts=restarts,
        training_succeeded=None if undecided else state.training_succeeded,
    ), events


def unhandled(state: State, pods: Mapping[Task, Pod]) -> tuple[list[UnhandledExit], dict[Task, HandledExits]]:
    """What happened and was not dealt with yet, oldest first, success before failure; and `state.handled` after it.

    Kubernetes keeps the last two exits of a pod; others that its restart count proves are taken to have ended as the
    oldest one kept. No exit stands for a pod made after all tasks ran: one was lost, a disruption.
    """
    unhandled_exits: list[UnhandledExit] = []
    # An absent pod may only be late in being seen.
    handled = {task: exits for task, exits in state.handled.items() if task not in pods}
    for task, pod in pods.items():
        if task in state.succeeded:
            continue
        uid, done = state.handled.get(task, ("", 0))
        known = uid == pod.uid
        if not known:
            done = 0
            if state.all_ran is not None and pod.created > state.all_ran:
                unhandled_exits.append(UnhandledExit(pod.created, pod, None))
                known = True
        kept = [exit_ for exit_ in (pod.last if pod.restarts else None, pod.current) if exit_]
        total = pod.restarts + (1 if pod.current else 0)
        if kept and total > done:
            exits = [kept[0]] * (total - len(kept)) + kept
            unhandled_exits += [UnhandledExit(exit_.finished, pod, exit_) for exit_ in exits[done:]]
            done = total
        if known or done:
            handled[task] = HandledExits(pod.uid, done)
    return sorted(unhandled_exits, key=lambda item: (item.when, item.exit is not None and item.exit.code != 0)), handled


def _is_success(job: JobSpec, pod: Pod, exit_: Exit) -> bool:
    """Whether the task is done for good."""
    role = pod.task.role
    ended_well = exit_.code == 0 and not exit_.message.startswith(STOPPED)
    return ended_well and not runs_server(job, role) and not always_restarts(job, role)


def _judge(
    job: JobSpec, counter: FailureCounter, repeats: RepeatCounter, excuses: ExcuseCounter, pod: Pod, exit_: Exit
) -> Event | _Fatal:
    """What an exit means that is no success."""
    task, code = pod.task, exit_.code
    text, why = f"{name(task)} {exit_text(exit_)}", f": {exit_.error}" if exit_.error else ""
    if is_disrupted(job, pod, exit_):
        if excuses.excuse(pod, exit_):
            counter.disrupt(task, exit_.finished)
            repeats.disrupt()
            return Event("Normal", "TaskDisrupted", f"{text}; not counted")
        why = f"; this happened more than {MAX_EXCUSES} times and is a failure from now on{why}"
    elif exit_.message.startswith(STOPPED):
        by_probe = " (by its livenessProbe or startupProbe)"
        text += by_probe if pod.probed else ", and its message says that it was asked to end, which nothing confirms"
    if code == 0 and always_restarts(job, task.role) and not exit_.message.startswith(STOPPED):
        counter.disrupt(task, exit_.finished)
        return Event("Normal", "TaskRestarts", f"{text}; restarted, not counted (restart.alwaysRoles)")
    if code in job["restart"]["uncountedExitCodes"]:
        counter.disrupt(task, exit_.finished)
        return Event("Normal", "TaskRestarts", f"{text}; not counted (uncountedExitCodes)")
    if not may_restart(job, task.role, code or 1):  # a server that exits 0 before it was ready has failed too
        return _Fatal("TaskFailed", f"{text}; restart.policy {job['restart']['policy']} does not restart it{why}")
    counted, limit = counter.fail(task, exit_.finished), job["restart"]["backoffLimit"]
    if counter.failures > limit:
        return _Fatal(
            "BackoffLimitExceeded",
            f"{text}; {plural(counter.failures, 'failure')}, restart.backoffLimit is {limit}{why}",
        )
    repeated = repeats.fail(task, exit_)
    if repeated:
        return _Fatal("RepeatedFailure", f"{text}, {repeated}{why}")
    return Event("Warning", "TaskFailed", f"{text}; {counter.text(counted, limit)}{why}")
