"""The runs of a job, as its status.json keeps them, and what changed from one to the next. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfconfig import terminal
from tfconfig.tensorflow_job.lifecycle.run_settings import MARK, SET
from tfconfig.tensorflow_job.lifecycle.state import REPLACED, TAKING_OVER
from tfconfig.tensorflow_job.lifecycle.text import duration
from tfconfig.tensorflow_job.lifecycle.timestamps import format_time, parse_time

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import (
        StatusChange,
        StatusDocument,
        StatusMoment,
        StatusPoint,
        StatusRecord,
        UsageDocument,
    )

VERSION = 1
HIDDEN = "…"
_MARK = re.compile(rf"(?<!\S){MARK}[0-9a-f]{{2}}(?!\S)")


@dataclass(frozen=True)
class Run:
    """A run; times in seconds since the epoch. Without a record (of an older chart) only its end is known."""

    run_id: str
    phase: str
    reason: str
    message: str
    ended: float | None
    restarts: int | None = None
    last_line: str = ""
    started: float | None = None
    settings: Mapping[str, str] | None = None
    events: list[StatusMoment] = field(default_factory=list)
    steps: list[StatusPoint] = field(default_factory=list)
    metrics: Mapping[str, list[float | None]] = field(default_factory=dict)  # a value for each of the steps
    usage: Mapping[str, UsageDocument] = field(default_factory=dict)  # by task; of past runs, those that used most
    timelines: Mapping[str, list[StatusChange]] = field(default_factory=dict)  # by role, and of some tasks
    tensorflow: Sequence[str] = ()  # the versions that its tasks loaded, as far as they are known


def runs(status: StatusDocument) -> list[Run]:
    """The runs that a status keeps, the oldest first."""
    all_runs = [
        _run(past, past.get("record"), past.get("record", {}))
        for past in status.get("history", [])
        if past["runId"] != status["runId"] or past["phase"] == REPLACED or status.get("reason") == TAKING_OVER
    ]
    if status.get("reason") != TAKING_OVER:
        all_runs.append(_run(status, status.get("record"), status))
    return all_runs


def changes(before: Run | None, run: Run) -> dict[str, tuple[str | None, str | None]]:
    """Setting -> what it was before, and what it is; of settings, and TensorFlow, that are known of both."""
    if before is None or before.settings is None or run.settings is None:
        return {}
    old, new = dict(before.settings), dict(run.settings)
    if before.tensorflow and run.tensorflow:
        old.update(_tensorflow(before))
        new.update(_tensorflow(run))
    return {key: (old.get(key), new.get(key)) for key in [*new, *old] if old.get(key) != new.get(key)}


def table(all_runs: list[Run], now: float, columns: int) -> list[str]:
    """A line for each run."""
    head = ("RUN", "RESULT", "DURATION", "RESTARTS", "STEP", "LOSS", "CHANGED")
    return terminal.table(head, [_cells(before, run, now) for before, run in _pairs(all_runs)], columns)


def document(name: str, namespace: str, all_runs: list[Run]) -> dict[str, Any]:
    """`tfconfig runs -o json`. Its schema: docs/schemas/runs.schema.json."""
    return {
        "version": VERSION,
        "name": name,
        "namespace": namespace,
        "runs": [
            {
                "runId": run.run_id,
                "phase": run.phase,
                "reason": run.reason,
                "message": run.message,
                "startTime": None if run.started is None else format_time(run.started),
                "completionTime": None if run.ended is None else format_time(run.ended),
                "restarts": run.restarts,
                "lastLine": run.last_line,
                "step": run.steps[-1]["step"] if run.steps else None,
                "loss": run.steps[-1]["loss"] if run.steps else None,
                "metrics": {
                    name: value for name, column in run.metrics.items() if (value := _last(column)) is not None
                },
                "usage": {task: dict(used) for task, used in run.usage.items()},
                "tensorflow": list(run.tensorflow),
                "settings": run.settings and dict(run.settings),
                "changed": {key: {"before": old, "after": new} for key, (old, new) in changes(before, run).items()},
            }
            for before, run in _pairs(all_runs)
        ],
    }


def changed_text(before: Run | None, run: Run) -> str:
    """What changed, for people."""
    if before is None:
        return "first known run"
    if before.settings is None or run.settings is None:
        return "not recorded"
    texts = [_change(key, _readable(old), _readable(new)) for key, (old, new) in changes(before, run).items()]
    return ", ".join(texts) or "other settings"


def shown_settings(run: Run) -> list[tuple[str, str]]:
    """Setting and value, for people."""
    return [(key, _readable(value) or "") for key, value in {**(run.settings or {}), **_tensorflow(run)}.items()]


def _tensorflow(run: Run) -> dict[str, str]:
    return {"tensorflow": ", ".join(run.tensorflow)} if run.tensorflow else {}


def _change(key: str, old: str | None, new: str | None) -> str:
    if old is not None and new is not None:
        return f"{key} changed" if old == new else f"{key} {old} -> {new}"
    value, verb = (old, "removed") if new is None else (new, "added")
    return f"{key} {verb}" if value in (HIDDEN, SET) else f"{key} {value} {verb}"


def _readable(value: str | None) -> str | None:
    """Without marks: what they stand for is not kept."""
    return value and _MARK.sub(HIDDEN, value)


def _pairs(all_runs: list[Run]) -> list[tuple[Run | None, Run]]:
    return list(zip([None, *all_runs], all_runs, strict=False))


def _cells(before: Run | None, run: Run, now: float) -> list[str]:
    step = run.steps[-1] if run.steps else None
    return [
        run.run_id,
        run.phase + (f" ({run.reason})" if run.phase == "Failed" and run.reason else ""),
        "" if run.started is None else duration(max((run.ended or now) - run.started, 0.0)),
        "" if run.restarts is None else str(run.restarts),
        "" if step is None else str(step["step"]),
        "" if step is None or step["loss"] is None else f"{step['loss']:.4g}",
        changed_text(before, run),
    ]


def _run(end: Mapping[str, Any], record: StatusRecord | None, counted: Mapping[str, Any]) -> Run:
    return Run(
        end["runId"],
        end["phase"],
        end.get("reason", ""),
        end.get("message", ""),
        parse_time(end.get("completionTime")),
        counted.get("restarts"),
        counted.get("lastLine", ""),
        parse_time(record["startTime"]) if record else None,
        record["settings"] if record else None,
        record["events"] if record else [],
        record["steps"] if record else [],
        record.get("metrics", {}) if record else {},
        counted.get("usage", {}),
        record.get("timelines", {}) if record else {},
        record.get("tensorflow", ()) if record else (),
    )


def _last(column: Sequence[float | None]) -> float | None:
    """The last value that is known."""
    return next((value for value in reversed(column) if value is not None), None)
