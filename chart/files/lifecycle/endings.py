"""How a run ends: it fails, or its deciding tasks succeed and the evaluator finishes. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..task.contracts import JobSpec, Reason
from ..task.job_spec import Task, name, tasks
from .state import FAILED, SUCCEEDED, State
from .text import names
from .training import deciding_tasks


def failed(
    state: State, now: float, reason: Reason, message: str, task: Task | None = None, exit_code: int | None = None
) -> State:
    """The run has failed; by this task and its exit status, where it was one."""
    return replace(
        state,
        phase=FAILED,
        reason=reason,
        message=message,
        deciding_task=task,
        exit_code=exit_code,
        finished=now,
    )


def succeed(job: JobSpec, state: State, now: float) -> State:
    """The deciding tasks have succeeded: wait for the evaluator, within its grace; then the run has succeeded."""
    since = now if state.training_succeeded is None else state.training_succeeded
    evaluator, grace = Task("evaluator", 0), job["completion"]["evaluatorGraceSeconds"]
    waiting = evaluator in tasks(job) and evaluator not in state.succeeded and not state.evaluator_failed
    deciding = deciding_tasks(job)
    state = replace(state, training_succeeded=since, deciding_task=deciding[0], exit_code=0)
    if waiting and now < since + grace:
        return state
    message = f"{names(deciding)} exited 0"
    if state.doubts:
        message += f", but {' and '.join(state.doubts)}"
    if waiting and grace:
        message += f"; {name(evaluator)} still ran {grace} s later and is ended"
    elif state.evaluator_failed:
        message += f"; then {name(evaluator)} failed"
    return replace(state, phase=SUCCEEDED, reason="Completed", message=message, finished=now)
