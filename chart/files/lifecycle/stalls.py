"""The progress of the program, and a program that makes none (`deadlines.stallSeconds`). Pure.

One task reports the progress of the job (training.reporter). The clock of `stallSeconds` starts with the first step
that the program reports, anew after each restart of it, and is stopped while any task is not running, and where the
step is known from something that tells of it too seldom: lines for whole epochs, TensorBoard's events, checkpoints. Who
really hangs cannot be seen from outside: in a hung collective everybody waits. So every program but the evaluator is
replaced; built-in servers stay, since a new chief uses them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name
from ..task.messages import REACHED
from ..task.progress import OFTEN, OUTPUT, parse
from .endings import failed
from .reports import reported
from .state import STALLED, Event, Exit, Observation, Pod, Progress, ProgressSample, State
from .text import names, plural
from .training import not_running, reporter, training_pods
from .waves import FailureCounter

QUIET_SECONDS, QUIET_STEPS = 60.0, 10  # without a step, before it is said that others are done


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
    progress = reported(task, document, exit_.finished)
    if progress.rate is None and state.progress and state.progress.task == task:
        progress = replace(progress, rate=state.progress.rate)
    return replace(state, progress=progress, progress_container=None)


def check_stall(
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
    done = _done(state)
    if done:
        text += f", while {_are_done(done)}"
    if job["restart"]["policy"] == "Never":
        message = f"{text}; restart.policy Never does not restart it"
        return failed(state, now, STALLED, message, progress.task), []
    counter = FailureCounter(state)
    counted = counter.fail(progress.task, now)
    state = counter.stored(state)
    if state.failures > allowed:
        message = f"{text}; {plural(state.failures, 'failure')}, restart.backoffLimit is {allowed}"
        return failed(state, now, "BackoffLimitExceeded", message, progress.task), []
    hung = training_pods(job, state, pods)
    state = replace(
        state,
        progress_container=None,
        hung_before=max(pod.created for pod in hung),
        restarts=state.restarts + len(hung),
    )
    return state, [Event("Warning", "TaskStalled", f"{text}; {counter.text(counted, allowed)}")]


def _done(state: State) -> list[Task]:
    """The tasks whose gradients a synchronous optimizer may wait for."""
    return sorted(task for task in state.succeeded if task.role != "evaluator")


def _are_done(done: Sequence[Task]) -> str:
    return f"{names(done)} {'are' if len(done) > 1 else 'is'} done"


def stall_begins(job: JobSpec, state: State) -> float | None:
    """From when on `stallSeconds` count; None while they do not."""
    return None if job["deadlines"]["stallSeconds"] is None else _since(job, state)


def waits_for_done(job: JobSpec, state: State, sample: ProgressSample | None) -> str:
    """What to say of a program that makes no step while others are done; "" where there is nothing to say.

    No step is known to be its last: a program that is only slow is not ended, and takes nothing from this line.
    """
    done, progress, since = _done(state), state.progress, _since(job, state)
    if not done or progress is None or since is None or sample is None or sample.container != state.progress_container:
        return ""
    if sample.asked - since < QUIET_SECONDS + (QUIET_STEPS / progress.rate if progress.rate else 0):
        return ""
    text = f"{name(progress.task)} has made no step since step {progress.step} while {_are_done(done)}"
    return f"{text}; a synchronous program would wait for ever"


def _since(job: JobSpec, state: State) -> float | None:
    if state.progress is None or state.progress_container is None:
        return None
    if not _reports_often(job, state.progress):
        return None
    if state.all_running_since is None or state.training_succeeded is not None:
        return None
    return max(state.progress.time, state.all_running_since)


def _reports_often(job: JobSpec, progress: Progress) -> bool:
    """Whether its source tells of single steps; of others it is the user who chose them and the limit."""
    return progress.source in OFTEN or OUTPUT not in job.get("progress", {}).get("sources", (OUTPUT,))


def hung_pods(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> list[Pod]:
    """The pods that a stall is to replace and that are still there."""
    if state.hung_before is None:
        return []
    return [pod for pod in training_pods(job, state, pods) if pod.created <= state.hung_before]
