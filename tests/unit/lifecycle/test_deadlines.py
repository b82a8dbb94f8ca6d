"""Deadlines, and pods that never start."""

from __future__ import annotations

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.lifecycle.deadlines import UNSTARTABLE
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    PENDING,
    RESTARTING,
    RUNNING,
    Set,
)
from tfconfig.tensorflow_job.task.job_spec import Task

from .story import (
    OTHER,
    PS,
    WORKER,
    Story,
)


def test_a_run_ends_when_its_active_deadline_is_over() -> None:
    story = Story.running(a_job("Custom", worker=1, active=100))
    assert story.look(98).phase == RUNNING
    state = story.look(2)
    assert (state.phase, state.reason, state.deciding_task) == (FAILED, "DeadlineExceeded", None)
    assert "deadlines.activeSeconds (100 s)" in state.message


def test_tasks_that_do_not_run_in_time_are_named_with_the_reason() -> None:
    story = Story(a_job("Custom", worker=6, ps=1, start=60))
    story.start()
    del story.pods[PS]
    story.missing = {"ps": "exceeded quota: gpus"}
    story.change(OTHER, status="Waiting", reason="Unschedulable", message="0/3 nodes are available")
    for index in (2, 3, 4):
        story.change(Task("worker", index), status="Waiting")
    assert story.look(0).phase == PENDING
    assert story.look(59).phase == PENDING
    state = story.look(1)
    assert (state.phase, state.reason, state.deciding_task) == (FAILED, "StartDeadlineExceeded", OTHER)
    assert "deadlines.startSeconds (60 s): worker-1: Unschedulable: 0/3 nodes are available; worker-2" in state.message
    assert "(and 2 more of 7)" in state.message


def test_why_pods_are_missing_is_reported() -> None:
    story = Story(a_job("Custom", worker=1))
    story.sets, story.missing = {"worker": Set(1, 0)}, {"worker": "exceeded quota"}
    assert story.look().message == "worker-0: exceeded quota"


def test_the_start_deadline_is_met_once_all_tasks_ran() -> None:
    story = Story.running(a_job("Custom", worker=2, start=60))
    del story.pods[OTHER]
    assert story.look(1000).phase == RESTARTING


@pytest.mark.parametrize("reason", sorted(UNSTARTABLE))
def test_a_pod_that_cannot_start_ends_the_job_with_the_reason(reason: str) -> None:
    story = Story(a_job("Custom", worker=2))
    story.start()
    story.change(OTHER, status="Waiting", reason=reason, message='image "x" not found')
    assert story.look().phase == PENDING
    assert story.look(299).phase == PENDING
    state = story.look(1)
    assert (state.phase, state.reason, state.deciding_task) == (FAILED, "PodsCannotStart", OTHER)
    assert f'worker-1: {reason}: image "x" not found (for 300 s, deadlines.unstartableSeconds)' in state.message


def test_a_reason_that_flaps_is_one_reason() -> None:
    story = Story(a_job("Custom", worker=1))
    story.start()
    for second in range(30):
        story.change(WORKER, status="Waiting", reason="ErrImagePull" if second % 2 else "ImagePullBackOff")
        assert story.look(10).phase == PENDING
    assert story.look(10).reason == "PodsCannotStart"


def test_a_pod_that_starts_after_all_is_given_time_again() -> None:
    story = Story(a_job("Custom", worker=2))
    story.start()
    story.change(OTHER, status="Waiting", reason="ErrImagePull")
    story.look(200)
    story.change(OTHER, status="Running", reason="")
    story.look(200)
    story.change(OTHER, status="Waiting", reason="ErrImagePull")
    assert story.look(200).phase == RESTARTING


def test_without_deadlines_a_job_waits() -> None:
    story = Story(a_job("Custom", worker=1, unstartable=None))
    story.start()
    story.change(WORKER, status="Waiting", reason="ErrImagePull")
    story.look()
    assert story.look(1e6).phase == PENDING


def test_a_job_in_the_queue_of_its_scheduler_waits_and_says_so() -> None:
    """Kueue lets pods in by taking a scheduling gate away."""
    assert not {"SchedulingGated", "Unschedulable"} & UNSTARTABLE
    story = Story(a_job("Custom", worker=1, unstartable=60))
    story.start()
    story.change(WORKER, status="Waiting", reason="SchedulingGated", message="Scheduling is blocked")
    story.look()
    state = story.look(1e6)
    assert (state.phase, state.message) == (PENDING, "worker-0: SchedulingGated: Scheduling is blocked")
    story.job = changed(a_job("Custom", worker=1, unstartable=60, start=3600), deadlines={"countQueuedTime": True})
    story.look()
    assert story.look(3600).reason == "StartDeadlineExceeded"


def test_a_pod_that_cannot_start_fails_the_job_though_others_recover_for_a_moment() -> None:
    story = Story(a_job("Custom", worker=2, unstartable=300))
    story.start()
    for task in (WORKER, OTHER):
        story.change(task, status="Waiting", reason="ImagePullBackOff")
    story.look(0)
    for reason in ["ContainerCreating", "ImagePullBackOff"] * 2:
        story.change(WORKER, reason=reason)
        assert story.look(70).phase == PENDING
    state = story.look(20)
    assert (state.phase, state.reason, state.deciding_task) == (FAILED, "PodsCannotStart", OTHER)
