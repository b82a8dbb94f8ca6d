"""The progress of the program, and a program that makes none (`deadlines.stallSeconds`). Pure.

One task reports the progress of the job (training.reporter). The clock of `stallSeconds` starts with the first step
that the program reports, anew after each restart of it, and is stopped while any task is not running. Who really hangs
cannot be seen from outside: in a hung collective everybody waits. So every program but the evaluator is replaced;
built-in servers stay, since a new chief uses them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name
from ..task.messages import REACHED
from ..task.progress import parse
from .endings import failed
from .state import STALLED, Event, Exit, Observation, Pod, Progress, ProgressSample, State
from .training import not_running, reporter, training_pods
from .waves import FailureCounter


def take_in_progress(job: JobSpec, state: State, sample: ProgressSample | None, pods: Mapping[Task, Pod]) -> State:
    """The state with the newest sample, if that is of the container that reports now."""
    if state.hung_before is not None and not hung_pods(job, state, pods):
        state = replace(state, hung_before=None)
    if sample is None or sample.progress.task != reporter(job, state):
        return state
    new, old = sample.progress, state.progress
    pod = pods.get(new.task)
    if pod is None or pod.container != sample.container or pod.deleted is not None:
        return state  # of a container that is no more
    if state.hung_before is not None and pod.created <= state.hung_before:
        return state
    if old is not None and old.task == new.task and state.progress_container == sample.container:
        if old.step == new.step:
            new = replace(new, time=old.time, rate=old.rate if new.rate is None else new.rate)
        elif new.rate is None and new.step > old.step and new.time > old.time:
            new = replace(new, rate=(new.step - old.step) / (new.time - old.time))
    return replace(state, progress=new, progress_container=sample.container)


def last_progress(job: JobSpec, state: State, task: Task, exit_: Exit) -> State:
    """A program that succeeded leaves its progress in the termination message: it cannot be asked any more."""
    document = parse(exit_.message[len(REACHED) :].encode()) if exit_.message.startswith(REACHED) else None
    if document is None or task != reporter(job, state):
        return state
    when = round(max(0.0, exit_.finished - document["age"]), 3)
    progress = Progress(task, document["step"], document["total"], document["loss"], document["rate"], when)
    if progress.rate is None and state.progress and state.progress.task == task:
        progress = replace(progress, rate=state.progress.rate)
    return replace(state, progress=progress, progress_container=None)


def judge_stall(
    job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod]
) -> tuple[State, list[Event]]:
    """Whether the program that reported progress has reported no other step for `stallSeconds`."""
    if not_running(job, state, pods):
        return replace(state, all_running_since=None), []
    since = observation.now if state.all_running_since is None else state.all_running_since
    state = replace(state, all_running_since=since)
    progress, sample = state.progress, observation.sample
    pod = pods.get(progress.task) if progress else None
    if pod is None or pod.container != state.progress_container:
        state = replace(state, progress_container=None)
    limit, begins = job["deadlines"]["stallSeconds"], stall_begins(job, state)
    if limit is None or progress is None or begins is None or sample is None:
        return state, []
    # Counted up to when it was asked: without an answer nothing is known.
    if sample.container != state.progress_container or sample.asked - begins < limit:
        return state, []
    return _stalled(job, state, observation.now, progress, pods)


def _stalled(
    job: JobSpec, state: State, now: float, progress: Progress, pods: Mapping[Task, Pod]
) -> tuple[State, list[Event]]:
    limit, allowed = job["deadlines"]["stallSeconds"], job["restart"]["backoffLimit"]
    text = f"{name(progress.task)}: no progress for {limit} s, last at step {progress.step}"
    if job["restart"]["policy"] == "Never":
        message = f"{text}; restart.policy Never does not restart it"
        return failed(state, now, STALLED, message, progress.task), []
    counter = FailureCounter(state)
    counted = counter.fail(progress.task, now)
    state = counter.stored(state)
    if state.failures > allowed:
        message = f"{text}; {state.failures} failures, restart.backoffLimit is {allowed}"
        return failed(state, now, "BackoffLimitExceeded", message, progress.task), []
    hung = training_pods(job, state, pods)
    state = replace(
        state,
        progress_container=None,
        hung_before=max(pod.created for pod in hung),
        restarts=state.restarts + len(hung),
    )
    return state, [Event("Warning", "TaskStalled", f"{text}; {counter.text(counted, allowed)}")]


def stall_begins(job: JobSpec, state: State) -> float | None:
    """From when on `stallSeconds` count; None while they do not."""
    if job["deadlines"]["stallSeconds"] is None or state.progress is None or state.progress_container is None:
        return None
    if state.all_running_since is None or state.training_succeeded is not None:
        return None
    return max(state.progress.time, state.all_running_since)


def hung_pods(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> list[Pod]:
    """The pods that a stall is to replace and that are still there."""
    if state.hung_before is None:
        return []
    return [pod for pod in training_pods(job, state, pods) if pod.created <= state.hung_before]
