"""A failure that repeats ends the job, though more are allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.state import FAILED, RESTARTING, RUNNING
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.messages import SOON_SECONDS, WORKED

from .story import EVALUATOR, OTHER, PS, SERVER_WAS_READY, WORKER, Story


def fails(story: Story, task: Task = WORKER, code: int = 1, times: int = 1, message: str = "") -> None:
    """Fail soon after the start, with time between the tries that no wave covers."""
    for _ in range(times):
        story.exits(task, code, message, after=100, ran=2)


def test_the_third_failure_alike_at_the_start_ends_the_job_and_says_why() -> None:
    story = Story.running(a_job("Custom", worker=1))
    fails(story, times=2)
    assert story.state.phase == RUNNING
    fails(story)
    state = story.state
    assert (state.phase, state.reason, state.failures) == (FAILED, "RepeatedFailure", 3)
    assert (state.deciding_task, state.exit_code) == (WORKER, 1)
    assert state.message == (
        "worker-0 exited 1, 3 times in a row, each within 60 s of its start, with no progress or checkpoint; "
        "restart.repeatLimit is 3"
    )


def test_failures_that_one_look_brings_count_each() -> None:
    story = Story.running(a_job("Custom", worker=1))
    fails(story)
    last = story.pods[WORKER].last
    story.change(WORKER, restarts=4, last=last)
    assert story.look().reason == "RepeatedFailure"


@pytest.mark.parametrize(("limit", "fails_at"), [(1, 1), (2, 2), (5, 5), (None, 7)])
def test_the_limit_is_a_value(limit: int | None, fails_at: int) -> None:
    story = Story.running(a_job("Custom", worker=1, repeat_limit=limit))
    fails(story, times=fails_at - 1)
    assert story.state.phase == RUNNING
    fails(story)
    assert story.state.reason == ("RepeatedFailure" if limit else "BackoffLimitExceeded")


def test_backoff_limit_comes_first() -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=2))
    fails(story, times=3)
    assert story.state.reason == "BackoffLimitExceeded"


def other_status(story: Story) -> None:
    fails(story, code=2)


def late(story: Story) -> None:
    story.exits(WORKER, 1, after=100, ran=SOON_SECONDS)


def unknown_start(story: Story) -> None:
    story.exits(WORKER, 1, after=100)


def peer_restarted(story: Story) -> None:
    story.is_stopped(OTHER, after=100)
    fails(story)


def peer_replaced(story: Story) -> None:
    story.pod(OTHER, status="Running")
    fails(story)


def server_restarted(story: Story) -> None:
    story.exits(PS, 137, SERVER_WAS_READY, after=100)
    fails(story)


def own_pod_replaced(story: Story) -> None:
    story.pod(WORKER, status="Running")
    fails(story)


def peer_not_started(story: Story) -> None:
    story.pod(OTHER, status="Waiting")
    fails(story)


def peer_being_deleted(story: Story) -> None:
    story.change(OTHER, deleted=story.now + 30)
    fails(story)


@pytest.mark.parametrize(
    "third",
    [
        other_status,
        late,
        unknown_start,
        peer_restarted,
        peer_replaced,
        server_restarted,
        own_pod_replaced,
        peer_not_started,
        peer_being_deleted,
    ],
)
def test_a_third_failure_of_another_kind_begins_anew(third: Callable[[Story], None]) -> None:
    story = Story.running(a_job("Custom", worker=2, ps=1))
    story.job = {**story.job, "servers": ["ps"]}
    fails(story, times=2)
    third(story)
    assert story.state.phase in (RUNNING, RESTARTING)
    assert story.state.repeated.get(WORKER, (0, 1))[1] == 1


def test_a_program_that_saved_or_reported_something_once_is_restarted_as_often_as_allowed() -> None:
    story = Story.running(a_job("Custom", worker=1))
    fails(story, message=f"{WORKED}\nTraceback")
    fails(story, times=5)
    assert story.state.phase == RUNNING
    fails(story)
    assert story.state.reason == "BackoffLimitExceeded"


def test_so_is_one_whose_progress_was_seen() -> None:
    story = Story.running(a_job("Custom", worker=1))
    story.reports(WORKER, 10)
    fails(story, times=6)
    assert story.state.phase == RUNNING


def test_an_evaluator_may_fail_until_there_is_a_checkpoint() -> None:
    story = Story.running(a_job("Custom", worker=1, evaluator=1))
    fails(story, EVALUATOR, times=6)
    assert story.state.phase == RUNNING


def test_a_server_that_cannot_start_repeats_its_failure_too() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1))
    fails(story, PS, times=3, message="No module named 'tensorflow'")
    assert (story.state.reason, story.state.deciding_task) == ("RepeatedFailure", PS)
