"""When the tasks ran: of a small job each, of a large one those that were started again; always bounded."""

from __future__ import annotations

from typing import Any

from tests.unit.job_specs import a_job
from tests.unit.lifecycle.story import Story
from tfconfig.tensorflow_job.lifecycle.state import Change, Exit, Pod, Set, State
from tfconfig.tensorflow_job.lifecycle.timelines import (
    MAX_CHANGES,
    MAX_TASKS,
    PAST_CHANGES,
    PAST_TASKS,
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
