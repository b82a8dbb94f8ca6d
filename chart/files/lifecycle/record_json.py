"""The record of a run in status.json. Pure."""

from __future__ import annotations

from ..task.contracts import StatusRecord
from ..task.job_spec import ROLES, name, parse_name
from . import usage
from .state import Change, Moment, Point, Record
from .timestamps import format_millis, parse_time


def dump_record(record: Record) -> StatusRecord:
    """A record as JSON."""
    document: StatusRecord = {
        "startTime": format_millis(record.started),
        "settings": dict(record.settings),
        "events": [
            {"time": format_millis(moment.time), "reason": moment.reason, "message": moment.message}
            for moment in record.moments
        ],
        "steps": [
            {"time": format_millis(point.time), "step": point.step, "loss": point.loss} for point in record.points
        ],
        "restarts": record.restarts,
        "lastLine": record.last_line,
    }
    metrics = dict.fromkeys(metric for point in record.points for metric in point.metrics)
    if metrics:  # a list each, so that a name is there once
        document["metrics"] = {metric: [point.metrics.get(metric) for point in record.points] for metric in metrics}
    if record.usage:
        document["usage"] = {name(task): usage.dump(used) for task, used in record.usage.items()}
    if record.tensorflow:
        document["tensorflow"] = list(record.tensorflow)
    if record.timelines:
        document["timelines"] = {
            key: [
                {"time": format_millis(change.time), "running": change.running, "done": change.done} for change in line
            ]
            for key, line in record.timelines.items()
        }
    return document


def load_record(document: StatusRecord) -> Record:
    """The record that `dump_record` wrote."""
    columns = document.get("metrics", {})
    rows = [
        {metric: value for metric, column in columns.items() if (value := _at(column, index)) is not None}
        for index, _ in enumerate(document["steps"])
    ]
    return Record(
        parse_time(document["startTime"]),
        document["settings"],
        tuple(Moment(parse_time(moment["time"]), moment["reason"], moment["message"]) for moment in document["events"]),
        tuple(
            Point(parse_time(point["time"]), point["step"], point["loss"], row)
            for point, row in zip(document["steps"], rows, strict=True)
        ),
        document["restarts"],
        document["lastLine"],
        {parse_name(task): usage.load(used) for task, used in document.get("usage", {}).items()},
        {
            key if key in ROLES else name(parse_name(key)): tuple(
                Change(parse_time(change["time"]), change["running"], change["done"]) for change in line
            )
            for key, line in document.get("timelines", {}).items()
        },
        tuple(document.get("tensorflow", ())),
    )


def _at(column: list[float | None], index: int) -> float | None:
    return column[index] if index < len(column) else None
