"""Failures that belong together count once."""

from __future__ import annotations

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.decide import decide
from tfconfig.tensorflow_job.lifecycle.state import (
    Exit,
    Observation,
)
from tfconfig.tensorflow_job.lifecycle.waves import MAX_ABSORBED, WAVE_SECONDS
from tfconfig.tensorflow_job.task.job_spec import Task

from .story import (
    CHIEF,
    OTHER,
    PS,
    WORKER,
    Story,
)


def test_peers_that_fall_with_one_are_one_failure() -> None:
    """MultiWorkerMirrored: peers end 1 within seconds, and again while not all are back."""
    job = a_job("MultiWorkerMirrored", worker=4)
    story = Story.running(job)
    story.exits(Task("worker", 3), 137)
    for task in (WORKER, OTHER, Task("worker", 2), WORKER):
        story.exits(task, 1)
    assert (story.state.failures, story.state.restarts) == (1, 5)


def test_a_chief_that_fails_twice_while_it_reconnects_to_a_replaced_ps_is_one_failure() -> None:
    story = Story.running(a_job(chief=1, worker=2, ps=1))
    story.is_stopped(PS)
    story.pod(PS, status="Running")
    story.look()
    story.exits(CHIEF, 1)
    story.exits(CHIEF, 1, after=10)
    assert (story.state.failures, story.state.restarts) == (1, 3)
    story.exits(CHIEF, 1)
    assert story.state.failures == 2, "a third time is the chief's own doing"


def test_a_chief_that_fell_before_the_lost_ps_was_seen_is_excused_once_more() -> None:
    story = Story.running(a_job(chief=1, worker=2, ps=1))
    story.exits(CHIEF, 1)
    story.pod(PS, status="Running")
    story.look()
    story.exits(CHIEF, 1)
    assert story.state.failures == 1


def test_a_task_that_keeps_failing_is_not_excused_by_its_own_wave() -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=100))
    for failures in range(1, 10):
        assert story.exits(WORKER, 1).failures == failures


def test_two_tasks_that_keep_failing_still_end_the_job() -> None:
    story = Story.running(a_job("Custom", worker=2, backoff_limit=6))
    rounds = 0
    while not story.state.ended:
        rounds += 1
        assert rounds < 20
        story.exits(WORKER, 1)
        if not story.state.ended:
            story.exits(OTHER, 1)
    assert story.state.reason == "BackoffLimitExceeded"


def test_a_task_that_keeps_failing_beside_uncounted_exits_still_ends_the_job() -> None:
    story = Story.running(a_job("Custom", worker=3, backoff_limit=6))
    for _ in range(30):
        if not story.state.ended:
            story.exits(OTHER, 42)
        if not story.state.ended:
            story.exits(WORKER, 1)
    assert story.state.reason == "BackoffLimitExceeded"


@pytest.mark.parametrize(("later", "failures"), [(WAVE_SECONDS - 2, 1), (WAVE_SECONDS + 1, 2)])
def test_a_wave_is_over_after_its_time(later: float, failures: int) -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.exits(WORKER, 1)
    assert story.exits(OTHER, 1, after=later - 1).failures == failures


def test_failures_far_apart_all_count_though_an_old_one_is_seen_late() -> None:
    story = Story.running(a_job("Custom", worker=3))
    first = story.now + 10
    story.exits(OTHER, 42, after=15)
    story.change(WORKER, restarts=1, last=Exit(1, finished=first))
    assert story.look().failures == 1
    assert story.exits(Task("worker", 2), 1, after=first + WAVE_SECONDS + 1 - story.now).failures == 2


def test_a_failure_of_a_peer_after_a_disruption_is_one_failure() -> None:
    story = Story.running(a_job("Custom", worker=3))
    story.is_stopped(WORKER)
    assert story.state.failures == 0
    for _ in range(MAX_ABSORBED):
        story.exits(OTHER, 1)
        story.exits(Task("worker", 2), 1)
    assert story.state.failures == 1


def test_the_wave_that_is_stored_is_not_the_one_that_is_changed() -> None:
    story = Story.running(a_job("Custom", worker=3))
    story.exits(WORKER, 1)
    stored = status.dump(story.job, story.state, {})
    story.change(OTHER, restarts=1, last=Exit(1, finished=story.now))
    decide(story.job, story.state, Observation(story.now, story.pods, story.sets))
    assert status.dump(story.job, story.state, {}) == stored


def test_a_task_that_is_disrupted_again_does_not_become_the_cause_of_its_own_wave() -> None:
    """Otherwise each disruption of it would use up one of its own failures that the wave may take in."""
    story = Story.running(a_job("Custom", worker=2))
    story.is_stopped(OTHER)
    story.exits(WORKER, 1)  # counted, in the wave of worker-1
    for _ in range(3):
        story.is_stopped(OTHER)
    wave = story.state.wave
    assert wave is not None
    assert (wave.origin, wave.counted, dict(wave.absorbed)) == (OTHER, True, {WORKER: 1})


def test_a_disruption_after_a_failure_is_named_as_its_cause() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.exits(WORKER, 1)
    story.is_stopped(OTHER)
    wave = story.state.wave
    assert wave is not None
    assert (wave.origin, dict(wave.absorbed)) == (OTHER, {WORKER: 1})
