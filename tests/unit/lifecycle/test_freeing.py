"""How pods are taken away: lost nodes, and the end of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.freeing import LOST_SECONDS, SILENT_SECONDS
from tfconfig.tensorflow_job.lifecycle.state import (
    RESTARTING,
    SUCCEEDED,
    Delete,
    Exit,
    Set,
)
from tfconfig.tensorflow_job.task.job_spec import tasks

from .story import (
    CHIEF,
    NOW,
    OTHER,
    PS,
    WORKER,
    Story,
)

# --- lost nodes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node_loss", ["Wait", "Replace"])
def test_a_pod_of_a_lost_node_is_told_and_replaced_only_if_wanted(node_loss: str) -> None:
    story = Story.running(a_job("Custom", worker=2, node_loss=node_loss))
    gone_by = story.now + 30
    story.change(OTHER, deleted=gone_by)
    story.look(30 + SILENT_SECONDS)
    assert story.deleted() == []
    assert story.state.message == "worker-1: its pod is being deleted"
    story.look(1)
    assert story.state.phase == RESTARTING
    assert "worker-1: node node-1 does not answer" in story.state.message
    assert ("restart.nodeLoss Wait" in story.state.message) == (node_loss == "Wait")
    story.look(60)
    forced = [Delete(OTHER, story.pods[OTHER].uid, force=True)]
    assert [action for action in story.actions if isinstance(action, Delete)] == (
        forced if node_loss == "Replace" else []
    )


def test_a_node_lost_at_the_end_does_not_hold_the_job() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.exits(WORKER, 0)
    assert story.finish() is None
    story.free()
    story.pod(OTHER, status="Running", deleted=story.now)
    story.sets["worker"] = Set(0, 1)
    story.look(LOST_SECONDS)
    assert story.finish() is None
    story.look(1)
    assert story.finish() is True
    assert not story.state.freed, "if it is only cut off, the next run's tasks have to wait"


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1])
def test_everything_is_freed_before_the_job_is_told_to_end(code: int) -> None:
    story = Story.running(a_job(chief=1, worker=2, ps=1, policy="Never", gpus={"worker": 1}))
    story.exits(CHIEF, code)
    assert story.scales() == {"chief": 0, "worker": 0, "ps": 0}
    assert story.deleted()[0] == CHIEF, "one that has ended goes before its set is scaled, with a short grace"
    assert story.deleted()[1:3] == [WORKER, OTHER], "then those that hold GPUs"
    assert set(story.deleted()) == set(tasks(story.job))
    assert (story.finish(), story.state.freed) == (None, False)
    story.free()
    story.pod(OTHER, run_id="a")  # a set that was still growing
    story.look()
    assert (story.deleted(), story.finish()) == ([OTHER], None)
    story.free()
    story.sets["ps"] = Set(0, 1)
    assert (story.look().freed, story.finish()) == (False, None)
    story.sets["ps"] = Set(0, 0, observed=False)
    assert (story.look().freed, story.finish()) == (False, None)
    story.sets["ps"] = Set(0, 0)
    assert (story.look().freed, story.finish()) == (True, code == 0)


@pytest.mark.parametrize(("code", "keeps"), [(0, {"on_success": "Keep"}), (1, {"on_failure": "Keep"})])
def test_keep_leaves_everything_as_it_is(code: int, keeps: dict[str, str]) -> None:
    story = Story.running(a_job("Custom", chief=1, worker=1, policy="Never", **keeps))  # type: ignore[arg-type]
    story.exits(CHIEF, code)
    assert (story.scales(), story.deleted(), story.finish()) == ({}, [], code == 0)
    assert not story.state.freed, "the next run's tasks have to wait for these pods"


@pytest.mark.parametrize(("code", "keeps"), [(0, {"on_failure": "Keep"}), (1, {"on_success": "Keep"})])
def test_keep_is_for_one_outcome_only(code: int, keeps: dict[str, str]) -> None:
    story = Story.running(a_job("Custom", chief=1, worker=1, policy="Never", **keeps))  # type: ignore[arg-type]
    story.exits(CHIEF, code)
    assert set(story.deleted()) == {CHIEF, WORKER}


def test_what_was_kept_is_freed_when_the_user_has_seen_it() -> None:
    story = Story.running(a_job("Custom", worker=1, on_success="Keep"))
    story.exits(WORKER, 0)
    story.job = a_job("Custom", worker=1)
    story.look()
    assert (story.scales(), story.deleted(), story.finish()) == ({"worker": 0}, [WORKER], None)


def test_what_comes_up_after_the_end_is_freed_again() -> None:
    """Suspending and resuming a job that ended: Helm leaves `replicas` out again, and Kubernetes makes it 1."""
    story = Story.running(a_job("Custom", worker=2))
    story.exits(WORKER, 0)
    story.free()
    assert story.look().freed
    story.start()
    story.look()
    assert (story.scales(), set(story.deleted()), story.finish()) == ({"worker": 0}, {WORKER, OTHER}, None)
    story.free()
    story.look()
    assert story.finish() is True


def test_an_end_never_changes() -> None:
    story = Story.running(a_job("Custom", worker=2, policy="Never"))
    ended = story.exits(WORKER, 0)
    story.exits(OTHER, 1)
    story.suspend = True
    story.look(1e6)
    assert replace(story.state, freed=ended.freed) == ended


def test_a_controller_that_comes_after_everything_has_ended_finds_out() -> None:
    story = Story(a_job(chief=1, worker=1, ps=1))
    story.start()
    story.change(CHIEF, restarts=1, last=Exit(0, finished=NOW - 1000))
    assert story.look().phase == SUCCEEDED
    assert set(story.deleted()) == {CHIEF, WORKER, PS}
