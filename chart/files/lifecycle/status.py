"""status.json: the state of a run as users, training pods and a new controller read it. Pure.

Training pods read `runId`, `freed`, `phase` and `succeeded` (task.py); a new controller reads all of it. What only a
controller needs grows with the tasks that failed, to hundreds of KiB when thousands do: that is a second line, stored
apart as handled.json. The keys of both: task/contracts.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..task.job_spec import Task, name, parse_name
from ..task.ranges import format_ranges, parse_ranges
from .state import PHASES, Container, HandledExits, Outcome, Pod, Progress, Repeated, State, Wave
from .timestamps import format_millis, parse_time
from .training import counts

if TYPE_CHECKING:
    from ..task.contracts import (
        HandledDocument,
        JobSpec,
        StatusDocument,
        StatusOutcome,
        StatusProgress,
        StatusWave,
    )

VERSION = 1
_NOTHING_HANDLED: dict[str, Any] = {"handled": {}, "absorbed": {}, "unstartable": {}, "repeated": {}, "excused": {}}


def dump(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> str:
    """The state and, for people, the tasks per role.

    One line for status.json and, if need be, a second one for handled.json.
    """
    document: dict[str, Any] = {
        "version": VERSION,
        "runId": state.run_id,
        "phase": state.phase,
        "reason": state.reason,
        "message": state.message,
        "incarnation": format_millis(state.began) if state.began else None,
        "startTime": format_millis(state.started),
        "runningTime": _time(state.all_ran),
        "trainingSucceededTime": _time(state.training_succeeded),
        "completionTime": _time(state.finished),
        "freed": state.freed,
        "decidingTask": state.deciding_task and name(state.deciding_task),
        "exitCode": state.exit_code,
        "failures": state.failures,
        "backoffLimit": job["restart"]["backoffLimit"],
        "restarts": state.restarts,
        "progress": state.progress and _dump_progress(state.progress),
        "progressContainer": state.progress_container and "{} {}".format(*state.progress_container),
        "allRunningSince": _time(state.all_running_since),
        "hungBefore": _time(state.hung_before),
        "roles": counts(job, state, pods),
        "succeeded": _dump_tasks(state.succeeded),
        "evaluatorFailed": state.evaluator_failed,
        "wave": state.wave and _dump_wave(state.wave),
        "worked": state.worked or None,
        "doubts": list(state.doubts),
        "history": [_dump_outcome(past) for past in state.history],
    }
    empty = {key for key, value in document.items() if value in (None, {}, [], "")} - {"runId"}
    status = json.dumps({key: value for key, value in document.items() if key not in empty})
    handled: HandledDocument = {
        "handled": {name(task): "{} {}".format(*exits) for task, exits in state.handled.items()},
        "absorbed": {name(task): times for task, times in (state.wave.absorbed if state.wave else {}).items()},
        "unstartable": {name(task): format_millis(since) for task, since in state.unstartable.items()},
        "repeated": {name(task): "{} {}".format(*repeated) for task, repeated in state.repeated.items()},
        "excused": {name(task): format_millis(until) for task, until in state.excused.items()},
    }
    return "\n".join([status, json.dumps(handled)]) if any(handled.values()) else status


def load(text: str) -> State:
    """The state that `dump` wrote; the state before any run for an empty text.

    Raises ValueError where the text is something else.
    """
    if not text:
        return State()
    try:
        status, _, handled = text.partition("\n")
        document: StatusDocument = json.loads(status)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        return _load(document, cast("HandledDocument", {**_NOTHING_HANDLED, **json.loads(handled or "{}")}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"status.json is not a state of version {VERSION}: {error!r}") from error


def _load(document: StatusDocument, handled: HandledDocument) -> State:
    if document["phase"] not in PHASES:
        raise ValueError(f"phase {document['phase']!r}")
    deciding, progress = document.get("decidingTask"), document.get("progress")
    container = document.get("progressContainer")
    wave = document.get("wave")
    return State(
        run_id=document["runId"],
        phase=document["phase"],
        reason=document.get("reason", ""),
        message=document.get("message", ""),
        began=parse_time(document.get("incarnation")) or 0.0,
        started=parse_time(document["startTime"]),
        all_ran=parse_time(document.get("runningTime")),
        training_succeeded=parse_time(document.get("trainingSucceededTime")),
        finished=parse_time(document.get("completionTime")),
        freed=document["freed"],
        deciding_task=parse_name(deciding) if deciding else None,
        exit_code=document.get("exitCode"),
        failures=document["failures"],
        restarts=document["restarts"],
        succeeded=_load_tasks(document.get("succeeded", {})),
        evaluator_failed=document["evaluatorFailed"],
        handled={parse_name(task): HandledExits(*_pair(text)) for task, text in handled["handled"].items()},
        repeated={parse_name(task): Repeated(*map(int, text.split())) for task, text in handled["repeated"].items()},
        excused={parse_name(task): parse_time(until) for task, until in handled["excused"].items()},
        doubts=tuple(document.get("doubts", ())),
        worked=document.get("worked", False),
        wave=_load_wave(wave, handled["absorbed"]) if wave else None,
        unstartable={parse_name(task): parse_time(since) for task, since in handled["unstartable"].items()},
        progress=_load_progress(progress) if progress else None,
        progress_container=Container(*_pair(container)) if container else None,
        all_running_since=parse_time(document.get("allRunningSince")),
        hung_before=parse_time(document.get("hungBefore")),
        history=tuple(_load_outcome(past) for past in document.get("history", [])),
    )


def _dump_progress(progress: Progress) -> StatusProgress:
    return {
        "step": progress.step,
        "total": progress.total,
        "loss": progress.loss,
        "rate": progress.rate,
        "task": name(progress.task),
        "time": format_millis(progress.time),
    }


def _load_progress(document: StatusProgress) -> Progress:
    return Progress(
        parse_name(document["task"]),
        document["step"],
        document["total"],
        document["loss"],
        document["rate"],
        parse_time(document["time"]),
    )


def _dump_tasks(tasks: frozenset[Task]) -> dict[str, str]:
    """Role -> ranges of indexes."""
    roles = sorted({task.role for task in tasks})
    return {role: format_ranges(task.index for task in tasks if task.role == role) for role in roles}


def _load_tasks(document: Mapping[str, str]) -> frozenset[Task]:
    return frozenset(Task(role, index) for role, text in document.items() for index in parse_ranges(text))


def _dump_wave(wave: Wave) -> StatusWave:
    return {"start": format_millis(wave.start), "origin": name(wave.origin), "counted": wave.counted}


def _load_wave(document: StatusWave, absorbed: Mapping[str, int]) -> Wave:
    return Wave(
        parse_time(document["start"]),
        parse_name(document["origin"]),
        document["counted"],
        {parse_name(task): times for task, times in absorbed.items()},
    )


def _dump_outcome(outcome: Outcome) -> StatusOutcome:
    return {
        "runId": outcome.run_id,
        "phase": outcome.phase,
        "reason": outcome.reason,
        "message": outcome.message,
        "completionTime": format_millis(outcome.finished),
    }


def _load_outcome(document: StatusOutcome) -> Outcome:
    return Outcome(
        document["runId"],
        document["phase"],
        document["reason"],
        document["message"],
        parse_time(document["completionTime"]),
    )


def _pair(text: str) -> tuple[str, int]:
    """A uid and a number."""
    uid, number = text.split(" ")
    return uid, int(number)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else format_millis(seconds)
