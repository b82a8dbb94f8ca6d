"""What is kept of a run for those who look later: what happened, and how its steps went. Pure.

Everything is bounded, since status.json is sent to every node of the job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from ..task.contracts import JobSpec
from ..task.job_spec import Task
from .run_settings import settings
from .state import PHASES, TAKING_OVER, Action, Event, Moment, Pod, Point, Progress, Record, State, Usage
from .timelines import continued, past_timelines

MAX_MOMENTS, MAX_POINTS = 24, 60
FIRST_MOMENTS = 4  # of those that are kept when there are too many; the others are the newest
PAST_MOMENTS, PAST_POINTS = 8, 20  # of a run that is over
MAX_METRICS = 4  # over time, beside the loss
MAX_VERSIONS = 4  # of TensorFlow
MAX_METRIC_NAME = 80  # of its name, as JSON writes it
COUNTERS = ("epoch", "fit", "pass")  # that printed.py and report.py make
MAX_TEXT, MAX_ESCAPED = 160, 320  # characters of a message, and as JSON writes it
RECORDED_REASONS = {*PHASES, "TaskFailed", "TaskDisrupted", "TaskRestarts", "TaskStalled"}


def recorded(
    job: JobSpec,
    state: State,
    actions: Iterable[Action],
    now: float,
    chart: str = "",
    pods: Mapping[Task, Pod] = MappingProxyType({}),
) -> State:
    """The state with what has just happened in its record."""
    if state.reason == TAKING_OVER:
        return state
    record = state.record or Record(state.first_started or state.started, settings(job, chart))
    happened = [
        Moment(now, action.reason, _cut(action.message))
        for action in actions
        if isinstance(action, Event) and action.reason in RECORDED_REASONS
    ]
    moments = _first_and_last((*record.moments, *happened), MAX_MOMENTS)
    points = record.points
    if state.progress and (not points or state.progress.step != points[-1].step):
        points = thinned((*points, _point(state.progress, points)), MAX_POINTS)
    lines = continued(job, state, pods, record.timelines, now)
    versions = _versions(record, state.usage.values())
    record = replace(record, moments=moments, points=points, timelines=lines, tensorflow=versions)
    return replace(state, record=record)


def past_record(state: State) -> Record | None:
    """The record of a run that is over, smaller."""
    record = state.record
    return record and replace(
        record,
        moments=_first_and_last(record.moments, PAST_MOMENTS),
        points=thinned(record.points, PAST_POINTS),
        restarts=state.restarts,
        last_line=_cut(state.last_line),
        usage=_heaviest(state.usage),
        timelines=past_timelines(record.timelines),
    )


def _versions(record: Record, usage: Iterable[Usage]) -> tuple[str, ...]:
    """Of TensorFlow, in the order in which they were seen: what is known of many tasks comes and goes."""
    seen = sorted({used.tensorflow for used in usage if used.tensorflow}.difference(record.tensorflow))
    return (*record.tensorflow, *seen)[:MAX_VERSIONS]


def _cut(text: str) -> str:
    text = text[:MAX_TEXT]
    while len(ascii(text)) > MAX_ESCAPED:
        text = text[:-8]
    return text


def _point(progress: Progress, points: Sequence[Point]) -> Point:
    """With the metrics that came first, and no more of them."""
    known = dict.fromkeys(metric for point in points for metric in point.metrics)
    new = (metric for metric in sorted(progress.metrics) if metric not in COUNTERS)
    known.update(dict.fromkeys(metric for metric in new if len(ascii(metric)) <= MAX_METRIC_NAME))
    kept = {metric: progress.metrics[metric] for metric in list(known)[:MAX_METRICS] if metric in progress.metrics}
    return Point(progress.time, progress.step, progress.loss, {key: float(f"{kept[key]:.6g}") for key in kept})


def _heaviest(usage: Mapping[Task, Usage]) -> dict[Task, Usage]:
    """Of each role the task that used the most CPU time, and the one that held the most memory."""
    most = set[Task]()
    for role in {task.role for task in usage}:
        tasks = sorted(task for task in usage if task.role == role)
        most.add(max(tasks, key=lambda task: usage[task].cpu_seconds or 0.0))
        most.add(max(tasks, key=lambda task: usage[task].memory_peak or 0))
    return {task: usage[task] for task in sorted(most)}


def thinned(points: Sequence[Point], limit: int) -> tuple[Point, ...]:
    """At most so many points, evenly in time; the first and the last stay."""
    left = list(points)
    while len(left) > limit:
        del left[min(range(1, len(left) - 1), key=lambda index: left[index + 1].time - left[index - 1].time)]
    return tuple(left)


def _first_and_last(moments: tuple[Moment, ...], limit: int) -> tuple[Moment, ...]:
    return moments if len(moments) <= limit else moments[:FIRST_MOMENTS] + moments[FIRST_MOMENTS - limit :]
