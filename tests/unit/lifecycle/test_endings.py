"""Who decides success, and what the evaluator is given."""

from __future__ import annotations

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.state import (
    RUNNING,
    SUCCEEDED,
    WAITING_FOR_EVALUATOR,
    Exit,
)
from tfconfig.tensorflow_job.task.job_spec import Task

from .story import (
    CHIEF,
    EVALUATOR,
    OTHER,
    PS,
    WORKER,
    Story,
    draining,
)

# --- who decides success ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("success_policy", "chief", "ending", "succeeds"),
    [
        ("Chief", 1, [CHIEF], True),
        ("Chief", 1, [WORKER, OTHER], False),
        ("Worker0", 0, [WORKER], True),
        ("Worker0", 0, [OTHER], False),
        ("Worker0", 1, [WORKER], True),
        ("Worker0", 1, [CHIEF, OTHER], False),
        ("AllWorkers", 0, [WORKER, OTHER], True),
        ("AllWorkers", 0, [WORKER], False),
        ("AllWorkers", 1, [WORKER, OTHER], False),
        ("AllWorkers", 1, [WORKER, OTHER, CHIEF], True),
    ],
)
def test_success_comes_with_the_last_deciding_task(
    success_policy: str, chief: int, ending: list[Task], succeeds: bool
) -> None:
    story = Story.running(a_job("Custom", chief=chief, worker=2, ps=1, success_policy=success_policy))
    for task in ending:
        assert story.state.phase == RUNNING
        story.exits(task, 0)
    assert story.state.phase == (SUCCEEDED if succeeds else RUNNING)
    if succeeds:
        assert (story.state.reason, story.state.exit_code) == ("Completed", 0)
        assert "exited 0" in story.state.message


def test_peers_that_fall_when_the_chief_is_done_do_not_matter() -> None:
    """Both ends are seen in the same second, which is all that Kubernetes tells of the time."""
    story = Story.running(a_job("Custom", chief=1, worker=1, policy="Never"))
    end = story.now + 1
    story.change(WORKER, restarts=1, last=Exit(1, finished=end))
    story.change(CHIEF, restarts=1, last=Exit(0, finished=end))
    assert story.look().phase == SUCCEEDED


def test_a_failure_before_the_chief_was_done_does_matter() -> None:
    story = Story.running(a_job("Custom", chief=1, worker=1, policy="Never"))
    story.change(CHIEF, restarts=1, last=Exit(0, finished=story.now + 5))
    story.change(WORKER, restarts=1, last=Exit(1, finished=story.now + 1))
    assert story.look(6).reason == "TaskFailed"


def test_a_changed_success_policy_leads_out_of_draining() -> None:
    story = Story.running(a_job("Custom", chief=1, worker=1, evaluator=1))
    story.exits(CHIEF, 0)
    assert story.state.reason == WAITING_FOR_EVALUATOR
    story.job = a_job("Custom", chief=1, worker=1, evaluator=1, success_policy="AllWorkers")
    assert (story.look().phase, story.state.reason, story.scales()) == (RUNNING, "", {})


# --- the evaluator's end ----------------------------------------------------------------------------------------------


def test_an_evaluator_is_waited_for_while_everything_else_is_freed() -> None:
    story = draining()
    assert (story.state.phase, story.state.reason, story.finish()) == (RUNNING, WAITING_FOR_EVALUATOR, None)
    assert story.scales() == {"chief": 0, "worker": 0, "ps": 0}
    assert set(story.deleted()) == {CHIEF, WORKER, PS}
    story.exits(EVALUATOR, 0)
    assert story.state.phase == SUCCEEDED


def test_an_evaluator_is_ended_when_its_grace_is_over() -> None:
    story = draining(grace=100)
    assert story.look(98).phase == RUNNING
    state = story.look(2)
    assert state.phase == SUCCEEDED
    assert "evaluator-0 still ran 100 s later and is ended" in state.message


def test_an_evaluator_that_fails_after_the_end_is_not_waited_for() -> None:
    story = draining(policy="Never")
    state = story.exits(EVALUATOR, 1)
    assert state.phase == SUCCEEDED
    assert "evaluator-0 failed" in state.message


def test_an_evaluator_that_is_evicted_after_the_end_is_waited_for() -> None:
    story = draining()
    assert story.is_stopped(EVALUATOR).reason == WAITING_FOR_EVALUATOR
    story.pod(EVALUATOR, status="Running")
    assert story.look().reason == WAITING_FOR_EVALUATOR


def test_an_evaluator_that_ended_before_is_not_waited_for() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, evaluator=1))
    story.exits(EVALUATOR, 0)
    assert story.exits(CHIEF, 0).phase == SUCCEEDED


def test_without_a_grace_the_chief_alone_ends_the_job() -> None:
    assert draining(grace=0).state.phase == SUCCEEDED


def test_servers_that_are_freed_while_the_evaluator_ends_are_no_restarts() -> None:
    story = draining()
    story.is_stopped(PS)
    assert (story.state.restarts, story.state.failures, story.events()) == (0, 0, [])


def test_keep_frees_gpus_while_the_evaluator_ends() -> None:
    story = draining(on_success="Keep", gpus={"worker": 1, "evaluator": 1})
    assert {task.role for task in story.deleted()} == {"worker"}
    assert story.scales() == {"worker": 0}


def test_keep_keeps_everything_while_the_evaluator_ends() -> None:
    story = draining(on_success="Keep")
    assert (story.scales(), story.deleted()) == ({}, [])
