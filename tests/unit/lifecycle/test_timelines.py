"""When the tasks ran: of a small job each, of a large one those that were started again; always bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tests.unit.lifecycle.story import Story
from tfconfig.tensorflow_job.lifecycle.state import Change, Exit, Pod, Set, State
from tfconfig.tensorflow_job.lifecycle.timelines import (
    MAX_CHANGES,
    MAX_TASKS,
    PAST_CHANGES,
    PAST_TASKS,
    Timelines,
    continued,
    past_timelines,
)
from tfconfig.tensorflow_job.task.job_spec import Task

WORKER = Task("worker", 0)


def pods(job: Any, *running: int, restarts: int = 0) -> dict[Task, Pod]:
    workers = [Task("worker", index) for index in running]
    return {task: Pod(task, str(task.index), job["runId"], 1.0, "Running", restarts=restarts) for task in workers}


def test_a_task_waits_runs_and_is_done_at_the_end_of_the_run() -> None:
    story = Story(a_job("Custom", worker=1))
    story.sets = {"worker": Set(0, 0)}
    story.look()
    story.pod(WORKER, status="Running")
    story.look()
    story.pod(WORKER, status="Running", restarts=1, last=Exit(0))
    story.look()
    story.pods = {}
    story.look()
    assert story.state.record
    lines = story.state.record.timelines
    assert [change[1:] for change in lines["worker-0"]] == [(0, 0), (1, 0), (0, 1)]
    assert lines["worker"] == lines["worker-0"], "the pod that goes then is no change"


def test_after_the_end_of_the_run_nothing_changes() -> None:
    story = Story.running(a_job("Custom", worker=2, policy="Never"))
    story.change(WORKER, status="Terminated", current=Exit(1))
    state = story.look()
    assert state.record
    assert state.finished
    lines = state.record.timelines
    assert lines["worker-0"][-1] == Change(state.finished, 0, 0)
    assert lines["worker-1"][-1][1:] == (1, 0)
    story.pods = {}
    state = story.look()
    assert state.record
    assert state.record.timelines == lines


def test_a_task_that_waits_or_whose_node_does_not_answer_does_not_run() -> None:
    job = a_job("Custom", worker=3)
    seen = pods(job, 0, 1, 2)
    seen[WORKER] = replace(seen[WORKER], status="Waiting")
    seen[Task("worker", 1)] = replace(seen[Task("worker", 1)], unreachable=True)
    lines = continued(job, State(), seen, {}, 1.0)
    assert [(key, line[-1].running) for key, line in lines.items()] == [
        ("worker", 1), ("worker-0", 0), ("worker-1", 0), ("worker-2", 1),
    ]  # fmt: skip


def test_of_many_tasks_those_are_kept_by_themselves_that_were_started_again() -> None:
    job = a_job("Custom", worker=5000)
    lines = continued(job, State(), pods(job, *range(5000)), {}, 1.0)
    assert lines == {"worker": (Change(1.0, 5000, 0),)}
    again = {**pods(job, *range(5000)), **pods(job, *range(100, 120), restarts=1)}
    lines = continued(job, State(), again, lines, 2.0)
    assert len(lines) == 1 + MAX_TASKS
    assert lines["worker-100"] == (Change(2.0, 1, 0),)
    del again[Task("worker", 100)]
    assert continued(job, State(), again, lines, 3.0)["worker-100"][-1] == Change(3.0, 0, 0)


@pytest.mark.parametrize(("tasks", "kept"), [(MAX_TASKS, MAX_TASKS), (MAX_TASKS + 1, 0)])
def test_a_small_job_has_a_line_for_each_task(tasks: int, kept: int) -> None:
    job = a_job("Custom", worker=tasks)
    assert len(continued(job, State(), pods(job, *range(tasks)), {}, 1.0)) == 1 + kept


def test_tasks_that_are_started_again_one_after_the_other_are_kept_up_to_the_limit() -> None:
    job = a_job("Custom", worker=100)
    lines: Timelines = {}
    for number in range(MAX_TASKS + 2):
        lines = continued(job, State(), pods(job, number, restarts=1), lines, float(number))
    assert list(lines) == ["worker", *(f"worker-{number}" for number in range(MAX_TASKS))]


@pytest.mark.parametrize(
    ("times", "kept"),
    [((0, 1, 3, 30, 31.5, 50), [0, 3, 31.5, 50]), ((0, 10, 20, 39, 40), [0, 10, 20, 40]), ((0, 1, 2, 3), [0, 1, 2, 3])],
)
def test_of_a_run_that_is_over_the_states_that_lasted_longest_stay(times: Sequence[float], kept: list[float]) -> None:
    line = tuple(Change(time, number, 0) for number, time in enumerate(times))
    assert [change.time for change in past_timelines({"worker": line})["worker"]] == kept


def test_the_same_look_again_is_no_change_and_many_changes_are_thinned() -> None:
    job = a_job("Custom", worker=100)
    lines: Any = {}
    for second in range(100):
        lines = continued(job, State(), pods(job, *range(second)), lines, float(second))
        assert continued(job, State(), pods(job, *range(second)), lines, second + 0.5) is lines
    assert len(lines["worker"]) == MAX_CHANGES
    assert (lines["worker"][0], lines["worker"][-1]) == (Change(0.0, 0, 0), Change(99.0, 99, 0))
    past = past_timelines({**lines, **{f"worker-{index}": lines["worker"] for index in range(MAX_TASKS)}})
    assert len(past) == 1 + PAST_TASKS
    assert len(past["worker"]) == PAST_CHANGES
