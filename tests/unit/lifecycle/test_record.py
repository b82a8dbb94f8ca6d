"""What is kept of a run: what happened, how the steps went, and none of the user's secrets; always bounded."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tests.unit.lifecycle.story import NOW, OTHER, WORKER, Story
from tfconfig.tensorflow_job.lifecycle import record, status
from tfconfig.tensorflow_job.lifecycle.state import (
    REPLACED,
    SUCCEEDED,
    Event,
    Exit,
    Outcome,
    Pod,
    Point,
    Progress,
    Record,
    Set,
    State,
    Usage,
)
from tfconfig.tensorflow_job.task.job_spec import Task


def with_args(*args: str, **more: Any) -> Any:
    job: Any = a_job("Custom", worker=2, gpus={"worker": 1})
    return {**job, "program": {"command": ["python", "train.py"], "args": list(args)}, **more}


def test_the_record_of_a_run_goes_into_the_history_with_what_happened() -> None:
    story = Story(a_job("Custom", worker=1))
    story.sets = {"worker": Set(0, 0)}
    story.look()
    story.pod(WORKER, status="Running", restarts=1, last=Exit(0))
    assert story.look().phase == SUCCEEDED
    story.pods = {}
    story.job = a_job("Custom", worker=1, run_id="b")
    story.look()
    [past] = story.state.history
    assert past.record
    assert past.record.settings["worker.replicas"] == "1"
    assert [moment.reason for moment in past.record.moments][-1] == SUCCEEDED
    assert story.state.record
    assert SUCCEEDED not in [moment.reason for moment in story.state.record.moments]


def test_a_run_that_another_one_replaces_is_kept_once_with_its_end_and_record() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.reports(WORKER, 70, loss=0.5)
    story.exits(OTHER, 1)
    for run_id in "bbcc":
        story.job = a_job("Custom", worker=2, run_id=run_id)
        story.look()
    [past] = story.state.history
    assert (past.run_id, past.phase, past.finished) == ("a", REPLACED, story.now - 3)
    assert past.message == "run b took its place while it was Running"
    assert past.record
    assert (past.record.restarts, past.record.points[-1].step, past.record.started) == (1, 70, NOW)
    story.free()
    assert story.look().run_id == "c"
    assert story.state.history == (past,)


def test_points_are_thinned_evenly_and_the_ends_stay() -> None:
    points: tuple[Point, ...] = ()
    for step in range(1000):
        points = record.thinned((*points, Point(float(step), step, None)), 60)
    assert (len(points), points[0].step, points[-1].step) == (60, 0, 999)
    gaps = [later.step - earlier.step for earlier, later in pairwise(points)]
    assert max(gaps) <= 64


@pytest.mark.parametrize("close", [1, 9])
def test_the_point_closest_to_its_neighbours_goes_first(close: int) -> None:
    points = [Point(float(time), time, None) for time in sorted([0, close, 5, 10])]
    assert [point.step for point in record.thinned(points, 3)] == [0, 5, 10]


def test_of_many_moments_the_first_few_and_the_newest_stay() -> None:
    state = State(run_id="a", started=5.0)
    for number in range(50):
        state = record.recorded(with_args(), state, [Event("Warning", "TaskFailed", str(number))], float(number))
    assert state.record
    assert state.record.started == 5.0
    kept = [int(moment.message) for moment in state.record.moments]
    assert kept == [0, 1, 2, 3, *range(50 - record.MAX_MOMENTS + record.FIRST_MOMENTS, 50)]
    past = record.past_record(replace(state, first_started=1.0))
    assert past
    assert [int(moment.message) for moment in past.moments] == [0, 1, 2, 3, 46, 47, 48, 49]


def test_a_run_begins_when_it_started_first() -> None:
    state = record.recorded(with_args(), State(run_id="a", first_started=1.0, started=5.0), [], 6.0)
    assert state.record
    assert state.record.started == 1.0


def test_a_few_metrics_are_kept_over_time_those_that_came_first() -> None:
    state = State(run_id="a", first_started=1.0)
    samples = [{"zeta": 1.0, "epoch": 1.0}, {f"m{n}": n / 3 for n in range(8)} | {"zeta": 2.0}, {"m0": 0.5}]
    for step, metrics in enumerate(samples):
        state = replace(state, progress=Progress(WORKER, step, time=float(step), metrics=metrics))
        state = record.recorded(with_args(), state, [], float(step))
    assert state.record
    assert [dict(point.metrics) for point in state.record.points] == [
        {"zeta": 1.0}, {"zeta": 2.0, "m0": 0.0, "m1": 0.333333, "m2": 0.666667}, {"m0": 0.5},
    ]  # fmt: skip
    document = json.loads(status.dump(with_args(), state, {}))["record"]
    assert document["metrics"]["zeta"] == [1.0, 2.0, None]
    assert status.load(status.dump(with_args(), state, {})) == state


def test_of_a_run_that_is_over_the_usage_of_those_is_kept_that_used_most() -> None:
    usage = {Task("worker", n): Usage(90.0, cpu_seconds=float(n % 7), memory_peak=n % 5) for n in range(8)}
    usage |= {Task("ps", 0): Usage(90.0)}
    state = State(run_id="a", first_started=1.0, usage=usage)
    past = record.past_record(record.recorded(with_args(), state, [], 4.0))
    assert past
    assert list(past.usage) == [Task("ps", 0), Task("worker", 4), Task("worker", 6)]


def test_the_versions_of_tensorflow_that_tasks_loaded_are_kept_a_few_of_them() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.used = {WORKER: Usage(9.0, tensorflow="2.20.0")}
    story.look()
    story.used = {WORKER: Usage(99.0), OTHER: Usage(9.0, tensorflow="2.19.0")}
    story.look()
    assert story.state.record
    assert story.state.record.tensorflow == ("2.20.0", "2.19.0")
    for number in range(9):
        story.used = {OTHER: Usage(100.0 + number, tensorflow=f"3.{number}")}
        story.look()
    story.job = a_job("Custom", worker=2, run_id="b")
    story.used = {}
    story.look()
    [past] = story.state.history
    assert past.record
    assert past.record.tensorflow == ("2.20.0", "2.19.0", "3.0", "3.1")


def test_the_same_look_again_adds_nothing() -> None:
    state = State(run_id="a", first_started=1.0, progress=Progress(WORKER, 5, loss=0.5, time=3.0))
    once = record.recorded(with_args(), state, [Event("Normal", "Running", "")], 4.0)
    assert record.recorded(with_args(), once, [], 5.0) == once
    assert once.record
    assert once.record.points == (Point(3.0, 5, 0.5),)


def test_the_status_of_5000_tasks_with_full_records_stays_small() -> None:
    job: Any = {**with_args(*(f"--option-{n}={n}" for n in range(1000))), "replicas": {"worker": 5000}}
    state = State(run_id="a", first_started=1.0)
    for number in range(200):
        metrics = {"m" * 39 + str(n): (number + n) / 3 for n in range(8)}
        state = replace(state, progress=Progress(WORKER, number, loss=1 / 3, time=float(number), metrics=metrics))
        ran = (Pod(Task("worker", n), "u", "a", 1.0, "Running", restarts=1) for n in range(number % 7, 10))
        event = Event("Warning", "TaskFailed", "\U0001f4a5" * 1000)
        state = record.recorded(job, state, [event], float(number), "0.1.0", {pod.task: pod for pod in ran})
    assert isinstance(state.record, Record)
    used = {
        Task("worker", n): Usage(1 / 3, 1 / 3, 1 / 3, 1 / 3, 2**60 + n, 2**61, 1 / 3, 2**60, "2" * 40)
        for n in range(32)
    }
    past = record.past_record(replace(state, usage=used, last_line="\U0001f4a5" * 1000))
    history = tuple(Outcome(str(n), SUCCEEDED, "Completed", "", 1.0, past) for n in range(10))
    text = status.dump(job, replace(state, history=history), {})
    assert len(text.encode()) < 160_000
    assert status.load(text) == replace(state, history=history)
