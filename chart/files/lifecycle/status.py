"""status.json: the state of a run as users, training pods and a new controller read it. Pure.

Training pods read `runId`, `freed`, `phase` and `succeeded` (task.py); a new controller reads all of it. What only a
controller needs grows with the tasks that failed, to hundreds of KiB when thousands do: that is a second line, stored
apart as handled.json. The keys of both: task/contracts.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..task.contracts import HandledDocument, JobSpec, StatusDocument, StatusOutcome, StatusProgress, StatusWave
from ..task.job_spec import Task, allowed_failures, name, parse_name
from ..task.progress import PROGRAM
from ..task.ranges import format_ranges, parse_ranges
from . import usage
from .record_json import dump_record, load_record
from .shapes import conforming, parse_json
from .state import PHASES, Container, HandledExits, Outcome, Pod, Progress, Repeated, State, Wave
from .timestamps import format_millis, parse_time
from .training import counts

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
        "incarnation": format_millis(state.first_started) if state.first_started else None,
        "startTime": format_millis(state.started),
        "queuedSeconds": round(state.queued_seconds, 3) or None,
        "queuedSince": _time(state.queued_since),
        "runningTime": _time(state.all_ran),
        "trainingSucceededTime": _time(state.training_succeeded),
        "completionTime": _time(state.finished),
        "freed": state.freed,
        "decidingTask": state.deciding_task and name(state.deciding_task),
        "exitCode": state.exit_code,
        "lastLine": state.last_line,
        "hint": state.hint,
        "failures": state.failures,
        "backoffLimit": allowed_failures(job),
        "restarts": state.restarts,
        "progress": state.progress and _dump_progress(state.progress),
        "progressContainer": state.progress_container and "{} {}".format(*state.progress_container),
        "allRunningSince": _time(state.all_running_since),
        "hungBefore": _time(state.hung_before),
        "usage": {name(task): usage.dump(used) for task, used in state.usage.items()},
        "slow": [name(task) for task in state.slow],
        "roles": counts(job, state, pods),
        "succeeded": _dump_tasks(state.succeeded),
        "evaluatorFailed": state.evaluator_failed,
        "wave": state.wave and _dump_wave(state.wave),
        "worked": state.worked or None,
        "doubts": list(state.doubts),
        "record": state.record and dump_record(state.record),
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
        document: StatusDocument = conforming(parse_json(status), StatusDocument)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        more = {**_NOTHING_HANDLED, **conforming(parse_json(handled or "{}"), dict[str, Any])}
        return _load(document, conforming(more, HandledDocument))
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"status.json is not a state of version {VERSION}: {error!r}") from error


def _load(document: StatusDocument, handled: HandledDocument) -> State:
    if document["phase"] not in PHASES:
        raise ValueError(f"phase {document['phase']!r}")
    deciding, progress = document.get("decidingTask"), document.get("progress")
    container = document.get("progressContainer")
    wave, record = document.get("wave"), document.get("record")
    return State(
        run_id=document["runId"],
        phase=document["phase"],
        reason=document.get("reason", ""),
        message=document.get("message", ""),
        first_started=parse_time(document.get("incarnation")) or 0.0,
        started=parse_time(document["startTime"]),
        queued_seconds=document.get("queuedSeconds", 0.0),
        queued_since=parse_time(document.get("queuedSince")),
        all_ran=parse_time(document.get("runningTime")),
        training_succeeded=parse_time(document.get("trainingSucceededTime")),
        finished=parse_time(document.get("completionTime")),
        freed=document["freed"],
        deciding_task=parse_name(deciding) if deciding else None,
        exit_code=document.get("exitCode"),
        last_line=document.get("lastLine", ""),
        hint=document.get("hint", ""),
        failures=document["failures"],
        restarts=document["restarts"],
        succeeded=load_tasks(document.get("succeeded", {})),
        evaluator_failed=document["evaluatorFailed"],
        handled={parse_name(task): HandledExits(*_pair(text)) for task, text in handled["handled"].items()},
        repeated={parse_name(task): Repeated(*map(int, text.split())) for task, text in handled["repeated"].items()},
        excused={parse_name(task): parse_time(until) for task, until in handled["excused"].items()},
        doubts=tuple(document.get("doubts", ())),
        worked=document.get("worked", False),
        wave=_load_wave(wave, handled["absorbed"]) if wave else None,
        unstartable={parse_name(task): parse_time(since) for task, since in handled["unstartable"].items()},
        progress=load_progress(progress) if progress else None,
        progress_container=Container(*_pair(container)) if container else None,
        usage={parse_name(task): usage.load(used) for task, used in document.get("usage", {}).items()},
        slow=tuple(map(parse_name, document.get("slow", ()))),
        all_running_since=parse_time(document.get("allRunningSince")),
        hung_before=parse_time(document.get("hungBefore")),
        history=tuple(_load_outcome(past) for past in document.get("history", [])),
        record=load_record(record) if record else None,
    )


def _dump_progress(progress: Progress) -> StatusProgress:
    document: StatusProgress = {
        "step": progress.step,
        "total": progress.total,
        "loss": progress.loss,
        "rate": progress.rate,
        "task": name(progress.task),
        "time": format_millis(progress.time),
    }
    if progress.metrics:
        document["metrics"] = dict(progress.metrics)
    if progress.source != PROGRAM:
        document["source"] = progress.source
    return document


def load_progress(document: StatusProgress) -> Progress:
    """The progress that a status shows."""
    return Progress(
        parse_name(document["task"]),
        document["step"],
        document["total"],
        document["loss"],
        document["rate"],
        parse_time(document["time"]),
        document.get("metrics", {}),
        document.get("source", PROGRAM),
    )


def _dump_tasks(tasks: frozenset[Task]) -> dict[str, str]:
    """Role -> ranges of indexes."""
    roles = sorted({task.role for task in tasks})
    return {role: format_ranges(task.index for task in tasks if task.role == role) for role in roles}


def load_tasks(document: Mapping[str, str]) -> frozenset[Task]:
    """The tasks that a status lists as ranges."""
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
    document: StatusOutcome = {
        "runId": outcome.run_id,
        "phase": outcome.phase,
        "reason": outcome.reason,
        "message": outcome.message,
        "completionTime": format_millis(outcome.finished),
    }
    if outcome.record:
        document["record"] = dump_record(outcome.record)
    return document


def _load_outcome(document: StatusOutcome) -> Outcome:
    record = document.get("record")
    return Outcome(
        document["runId"],
        document["phase"],
        document["reason"],
        document["message"],
        parse_time(document["completionTime"]),
        load_record(record) if record else None,
    )


def _pair(text: str) -> tuple[str, int]:
    """A uid and a number."""
    uid, number = text.split(" ")
    return uid, int(number)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else format_millis(seconds)
