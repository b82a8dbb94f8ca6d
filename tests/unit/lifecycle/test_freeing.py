"""How pods are taken away: lost nodes, and the end of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.lifecycle.freeing import (
    DELETED_BEFORE_SCALING,
    LOST_SECONDS,
    SHORT_GRACE_SECONDS,
    SILENT_SECONDS,
)
from tfconfig.tensorflow_job.lifecycle.state import (
    RESTARTING,
    SUCCEEDED,
    Delete,
    Event,
    Exit,
    Finish,
    Scale,
    Set,
)
from tfconfig.tensorflow_job.task.job_spec import Task, name, tasks

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
def test_a_pod_of_a_lost_node_is_reported_and_replaced_only_if_wanted(node_loss: str) -> None:
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


@pytest.mark.parametrize(("grace", "after"), [(0, SILENT_SECONDS), (5, SILENT_SECONDS), (15, 15), (40, 40)])
def test_a_node_is_never_given_up_before_it_counts_as_silent(grace: int, after: float) -> None:
    story = Story.running(a_job("Custom", worker=2, node_loss="Replace", node_loss_grace=grace))
    story.change(OTHER, deleted=story.now)
    story.look(after)
    assert story.deleted() == []
    story.look(1)
    assert story.deleted() == [OTHER]


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
def test_everything_is_freed_before_the_job_ends(code: int) -> None:
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


@pytest.mark.parametrize("code", [0, 1])
def test_keep_frees_what_holds_gpus_and_then_ends_the_job(code: int) -> None:
    rules = {"on_success": "Keep", "on_failure": "Keep"}
    job = a_job("Custom", chief=1, worker=2, policy="Never", gpus={"worker": 1}, **rules)  # type: ignore[arg-type]
    story = Story.running(job)
    story.exits(CHIEF, code)
    assert (story.scales(), set(story.deleted()), story.finish()) == ({"worker": 0}, {WORKER, OTHER}, None)
    story.free()
    assert (story.look().freed, story.finish()) == (False, code == 0), "the chief's pod is still there"
    assert set(story.pods) == {CHIEF}


def test_keep_frees_shares_of_gpus_as_well() -> None:
    job = changed(a_job("Custom", worker=1, on_success="Keep"), devices=["worker"])
    story = Story.running(job)
    story.exits(WORKER, 0)
    assert story.deleted() == [WORKER]
    story.free()
    assert (story.look().freed, story.finish()) == (True, True)


@pytest.mark.parametrize(("code", "keeps"), [(0, {"on_success": "KeepGPUs"}), (1, {"on_failure": "KeepGPUs"})])
def test_keep_gpus_leaves_everything_as_it_is(code: int, keeps: dict[str, str]) -> None:
    job = a_job("Custom", chief=1, worker=1, policy="Never", gpus={"chief": 1, "worker": 1}, **keeps)  # type: ignore[arg-type]
    story = Story.running(job)
    story.exits(CHIEF, code)
    assert (story.scales(), story.deleted(), story.finish()) == ({}, [], code == 0)


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


# --- order and grace --------------------------------------------------------------------------------------------------


def order(story: Story) -> list[tuple[str, int | None]]:
    """What is scaled and deleted, in order: (`scale worker` or `delete worker-0`, the size or the grace)."""
    return [
        (f"scale {action.role}", action.replicas)
        if isinstance(action, Scale)
        else (f"delete {name(action.task)}", action.grace)
        for action in story.actions
        if isinstance(action, Scale | Delete)
    ]


def test_what_has_ended_goes_before_the_sets_are_scaled_and_the_others_after() -> None:
    story = Story.running(a_job("Custom", chief=1, worker=2, ps=1, gpus={"worker": 1}))
    story.exits(CHIEF, 0)
    assert order(story) == [
        ("delete chief-0", SHORT_GRACE_SECONDS),
        ("scale chief", 0),
        ("scale worker", 0),
        ("scale ps", 0),
        ("delete worker-0", None),  # may save something
        ("delete worker-1", None),
        ("delete ps-0", SHORT_GRACE_SECONDS),  # has nothing to save
    ]


def test_built_in_servers_have_a_short_grace() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1))
    story.exits(CHIEF, 0)
    graces = dict(order(story))
    assert graces["delete worker-0"] == graces["delete ps-0"] == SHORT_GRACE_SECONDS


def test_a_task_that_failed_the_run_has_a_short_grace_and_one_that_a_deadline_names_has_its_own() -> None:
    story = Story.running(a_job("Custom", worker=2, policy="Never"))
    story.exits(OTHER, 1)
    assert order(story)[0] == ("delete worker-1", SHORT_GRACE_SECONDS)
    story = Story(a_job("Custom", worker=2, start=60))
    story.start()
    story.change(OTHER, status="Waiting")
    story.look(0)
    assert story.look(60).deciding_task == OTHER
    assert dict(order(story))["delete worker-1"] is None


def test_few_are_deleted_before_the_sets_are_scaled() -> None:
    size = 2 * DELETED_BEFORE_SCALING
    story = Story.running(a_job("Custom", worker=size, success_policy="AllWorkers"))
    for index in range(size):
        story.change(Task("worker", index), restarts=1, last=Exit(0, finished=story.now))
    story.look()
    kinds = [text.split()[0] for text, _ in order(story)]
    assert kinds == ["delete"] * DELETED_BEFORE_SCALING + ["scale"] + ["delete"] * DELETED_BEFORE_SCALING


def test_events_come_first_and_the_end_last() -> None:
    story = Story.running(a_job("Custom", worker=1, on_success="Keep"))
    story.exits(WORKER, 0)
    assert [type(action) for action in story.actions] == [Event, Finish]
