"""How a run ends: it fails, or its deciding tasks succeed and the evaluator finishes. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..task.contracts import JobSpec, Reason
from ..task.job_spec import Task, name, tasks
from .error_lines import last_line
from .known_failures import advice, by_reason
from .state import FAILED, SUCCEEDED, Exit, State
from .text import names
from .training import deciding_tasks


def failed(
    state: State, now: float, reason: Reason, message: str, task: Task | None = None, exit_: Exit | None = None
) -> State:
    """The run has failed; by this task and its exit, where it was one."""
    return replace(
        state,
        phase=FAILED,
        reason=reason,
        message=message,
        deciding_task=task,
        exit_code=exit_.code if exit_ else None,
        last_line=exit_.last_line if exit_ else "",
        hint=advice(exit_.last_line, exit_.code, exit_.reason) if exit_ else "",
        finished=now,
    )


def with_last_words(state: State, log_tail: str) -> State:
    """The failed run with what the last lines of the deciding task say, which its exit alone does not."""
    if state.phase != FAILED or not state.deciding_task or not log_tail.strip():
        return state
    hint = "" if state.exit_code is None else advice(log_tail, state.exit_code)
    return replace(
        state,
        last_line=last_line(log_tail) or state.last_line,
        hint=state.hint if by_reason(state.hint) else hint or state.hint,
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
