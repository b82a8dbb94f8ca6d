"""status.json: the state of a run as users, training pods and a new controller read it. Pure.

Training pods read `run`, `freed`, `phase` and `succeeded` (task.py); a new controller reads all of it. What it alone
needs grows with the tasks that fell, to hundreds of KiB when thousands do: that is a second line, stored apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..task.job_spec import JobSpec, Task, format_ranges, name, parse_ranges
from .decide import counts
from .state import Outcome, Pod, Progress, State, Wave

VERSION = 1


def dump(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> str:
    """The state and, for people, the tasks per role; times are RFC 3339 in UTC.

    One line for status.json and, if need be, a second one (see above).
    """
    wave, stuck, progress = state.wave, state.stuck, state.progress
    document = {
        "version": VERSION,
        "runId": state.run_id,
        "phase": state.phase,
        "reason": state.reason,
        "message": state.message,
        "startTime": _time(state.started),
        "runningTime": _time(state.running),
        "decidedTime": _time(state.decided),
        "completionTime": _time(state.finished),
        "freed": state.freed,
        "decidingTask": state.decider and name(state.decider),
        "exitCode": state.exit_code,
        "failures": state.failures,
        "backoffLimit": job["restart"]["backoffLimit"],
        "restarts": state.restarts,
        "progress": progress
        and {
            "step": progress.step,
            "total": progress.total,
            "loss": progress.loss,
            "rate": progress.rate,
            "task": name(progress.task),
            "time": _time(progress.time),
        },
        "teller": state.teller and "{} {}".format(*state.teller),
        "settledTime": _time(state.settled),
        "stalledTime": _time(state.stalled),
        "roles": counts(job, state, pods),
        "succeeded": _ranges(state.succeeded),
        "drained": state.drained,
        "wave": wave and {"start": _time(wave.start), "origin": name(wave.origin), "counted": wave.counted},
        "stuck": stuck and {"task": name(stuck[0]), "since": _time(stuck[1])},
        "history": [
            {
                "runId": past.run_id,
                "phase": past.phase,
                "reason": past.reason,
                "message": past.message,
                "completionTime": _time(past.finished),
            }
            for past in state.history
        ],
    }
    empty = {key for key, value in document.items() if value in (None, {}, [], "")} - {"runId"}
    told = json.dumps({key: value for key, value in document.items() if key not in empty})
    kept = {
        "seen": {name(task): f"{uid} {exits}" for task, (uid, exits) in state.seen.items()},
        "absorbed": {name(task): times for task, times in (wave.absorbed if wave else {}).items()},
    }
    return "\n".join([told, json.dumps(kept)]) if any(kept.values()) else told


def load(text: str) -> State:
    """The state that `dump` wrote; the state before any run for an empty text.

    Raises ValueError where the text is something else.
    """
    if not text:
        return State()
    try:
        told, _, kept = text.partition("\n")
        document = {**json.loads(told), **json.loads(kept or "{}")}
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        return _load(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"status.json is not a state of version {VERSION}: {error!r}") from error


def _load(document: Mapping[str, Any]) -> State:
    wave, stuck, told = document.get("wave"), document.get("stuck"), document.get("progress")
    uid, _, restarts = document.get("teller", "").rpartition(" ")
    seen = {key: note.split(" ") for key, note in document.get("seen", {}).items()}
    return State(
        run_id=document["runId"],
        phase=document["phase"],
        reason=document.get("reason", ""),
        message=document.get("message", ""),
        started=_seconds(document.get("startTime")) or 0.0,
        running=_seconds(document.get("runningTime")),
        decided=_seconds(document.get("decidedTime")),
        finished=_seconds(document.get("completionTime")),
        freed=document["freed"],
        decider=_task(document["decidingTask"]) if "decidingTask" in document else None,
        exit_code=document.get("exitCode"),
        failures=document["failures"],
        restarts=document["restarts"],
        succeeded=frozenset(
            Task(role, index) for role, text in document.get("succeeded", {}).items() for index in parse_ranges(text)
        ),
        drained=document["drained"],
        seen={_task(key): (uid, int(exits)) for key, (uid, exits) in seen.items()},
        wave=wave
        and Wave(
            _seconds(wave["start"]) or 0.0,
            _task(wave["origin"]),
            wave["counted"],
            # Within `wave`: as version 0.1 wrote it.
            {_task(key): times for key, times in document.get("absorbed", wave.get("absorbed", {})).items()},
        ),
        stuck=stuck and (_task(stuck["task"]), _seconds(stuck["since"]) or 0.0),
        progress=told
        and Progress(
            _task(told["task"]),
            told["step"],
            told["total"],
            told["loss"],
            told["rate"],
            _seconds(told["time"]) or 0.0,
        ),
        teller=(uid, int(restarts)) if restarts else None,
        settled=_seconds(document.get("settledTime")),
        stalled=_seconds(document.get("stalledTime")),
        history=tuple(
            Outcome(
                past["runId"],
                past["phase"],
                past.get("reason", ""),
                past.get("message", ""),
                _seconds(past["completionTime"]) or 0.0,
            )
            for past in document.get("history", [])
        ),
    )


def _ranges(some: frozenset[Task]) -> dict[str, str]:
    roles = sorted({task.role for task in some})
    return {role: format_ranges(task.index for task in some if task.role == role) for role in roles}


def _task(text: str) -> Task:
    role, _, index = text.rpartition("-")
    return Task(role, int(index))


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
