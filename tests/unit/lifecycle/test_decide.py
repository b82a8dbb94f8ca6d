"""The rules of a job, row by row of the table in decide.py, each a short story.

The rows about exits, stalls, deadlines and the end are in files of their own, as the code is. test_decide_simulated.py
drives the same rules through random stories.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.decide import MAX_HISTORY, decide
from tfconfig.tensorflow_job.lifecycle.exits import MAX_EVENTS
from tfconfig.tensorflow_job.lifecycle.freeing import LOST_SECONDS
from tfconfig.tensorflow_job.lifecycle.state import (
    PENDING,
    REPLACED,
    RESTARTING,
    RUNNING,
    SUCCEEDED,
    SUSPENDED,
    TAKING_OVER,
    Exit,
    Observation,
    Set,
    State,
    Usage,
)
from tfconfig.tensorflow_job.lifecycle.training import counts
from tfconfig.tensorflow_job.task.job_spec import Task

from .story import (
    OTHER,
    PS,
    SERVER_WAS_READY,
    WAS_ASKED_TO_END,
    WORKER,
    Story,
    draining,
)

# --- the start --------------------------------------------------------------------------------------------------------


def test_a_new_job_brings_its_sets_to_their_size() -> None:
    """A StatefulSet without spec.replicas starts at 1, and its controller has not looked at it yet."""
    story = Story(a_job(chief=1, worker=2, ps=1))
    story.sets = dict.fromkeys(("chief", "worker", "ps"), Set(1, 0, observed=False))
    story.pod(WORKER)
    story.look()
    assert (story.state.run_id, story.state.phase) == ("a", PENDING)
    assert (story.scales(), story.deleted()) == ({"worker": 2}, [])
    assert [reason for reason, _ in story.events()] == [PENDING]


def test_a_set_that_is_too_large_is_brought_back() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.sets["worker"] = Set(5, 5)
    story.look()
    assert story.scales() == {"worker": 2}


def test_an_erased_state_is_rebuilt_from_the_pods() -> None:
    story = Story.running(a_job("Custom", worker=3, success_policy="AllWorkers", backoff_limit=10))
    story.exits(WORKER, 0)
    story.exits(OTHER, 1)
    story.exits(OTHER, 1)
    known = story.state
    story.state = State()
    story.look()
    assert (story.state.run_id, story.state.succeeded, story.state.failures) == ("a", known.succeeded, known.failures)
    assert story.state.phase == RUNNING


# --- suspension -------------------------------------------------------------------------------------------------------


def suspended(**options: Any) -> Story:
    story = Story.running(a_job("Custom", worker=2, **options))
    story.suspend = True
    story.look()
    return story


def test_a_suspended_job_holds_nothing() -> None:
    story = suspended()
    assert (story.state.phase, story.scales()) == (SUSPENDED, {"worker": 0})
    assert set(story.deleted()) == {WORKER, OTHER}
    assert "2 pods are still terminating" in story.state.message
    story.free()
    assert (story.look().phase, story.state.message) == (SUSPENDED, "no pod is left")


def test_failures_on_the_way_into_suspension_do_not_count() -> None:
    story = suspended(policy="Never")
    story.exits(WORKER, 1)
    assert (story.state.phase, story.state.failures, story.state.restarts) == (SUSPENDED, 0, 0)


def test_a_success_on_the_way_into_suspension_counts() -> None:
    story = suspended()
    assert story.exits(WORKER, 0).phase == SUCCEEDED


def test_a_resumed_job_goes_on_as_it_was() -> None:
    story = suspended(success_policy="AllWorkers")
    story.state = replace(story.state, failures=2, succeeded=frozenset([OTHER]))
    story.free()
    story.look(1000)
    story.suspend = False
    story.look()
    assert (story.state.phase, story.scales()) == (PENDING, {"worker": 2})
    story.start()
    story.look()
    assert (story.state.phase, story.state.failures, story.state.succeeded) == (RUNNING, 2, frozenset([OTHER]))


def test_deadlines_start_anew_when_a_job_is_resumed() -> None:
    story = Story(a_job("Custom", worker=2, active=100, start=50))
    story.suspend, story.sets = True, {"worker": Set(0, 0)}
    story.look()
    story.look(1000)
    story.suspend = False
    assert story.look().phase == PENDING
    assert story.look(49).phase == PENDING
    assert story.look(1).reason == "StartDeadlineExceeded"


def test_time_that_a_suspended_job_could_not_start_is_forgotten() -> None:
    story = Story(a_job("Custom", worker=1))
    story.start()
    story.change(WORKER, status="Waiting", reason="ErrImagePull")
    story.look()
    story.suspend = True
    story.look()
    story.free()
    story.look(1000)
    story.suspend = False
    story.pod(WORKER, reason="ErrImagePull")
    story.look()
    assert story.state.phase in (SUSPENDED, PENDING)


def test_a_job_is_resumed_only_when_all_that_was_suspended_is_gone() -> None:
    """A program that fell on the way is parked where its policy is Never: its pod would wait for ever."""
    story = suspended(policy="Never")
    story.exits(WORKER, 1)
    story.suspend = False
    story.look()
    assert (story.state.phase, set(story.deleted())) == (SUSPENDED, {WORKER, OTHER})
    story.free()
    assert (story.look().phase, story.scales()) == (PENDING, {"worker": 2})


def test_a_lost_node_does_not_hold_up_a_resumption() -> None:
    story = suspended()
    story.free()
    story.pod(OTHER, status="Running", deleted=story.now)
    story.suspend = False
    assert story.look(LOST_SECONDS).phase == SUSPENDED
    assert story.look(1).phase == PENDING


def test_an_evaluator_that_is_suspended_while_it_ends_does_not_hold_up_the_end() -> None:
    story = draining(grace=100)
    story.suspend = True
    assert story.look().phase == SUSPENDED
    story.free()
    assert story.look(100).phase == SUCCEEDED


# --- runs -------------------------------------------------------------------------------------------------------------


def test_another_run_starts_only_when_every_old_pod_is_gone() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.exits(OTHER, 1)
    story.job = a_job("Custom", worker=3, run_id="b")
    story.look()
    assert (story.state.run_id, story.state.phase, story.state.reason) == ("a", PENDING, TAKING_OVER)
    assert "waiting for 2 pods of run a" in story.state.message
    assert (story.scales(), set(story.deleted())) == ({"worker": 0}, {WORKER, OTHER})
    del story.pods[OTHER]
    assert story.look().run_id == "a"
    story.free()
    story.pod(WORKER)  # of run b, made by the set before it was at 0
    story.look()
    assert (story.state.run_id, story.state.failures, story.state.restarts) == ("b", 0, 0)
    assert story.scales() == {"worker": 3}


def test_another_run_starts_only_when_the_sets_have_seen_the_upgrade() -> None:
    story = Story.running(a_job("Custom", worker=1))
    story.pods, story.sets = {}, {"worker": Set(1, 0, observed=False)}
    story.job = a_job("Custom", worker=1, run_id="b")
    assert (story.look().run_id, story.state.message) == ("a", "waiting for the StatefulSet controller")
    story.sets = {"worker": Set(1, 0)}
    assert story.look().run_id == "b"


def test_a_takeover_forgets_how_far_the_old_run_was() -> None:
    """The new run may not even have its roles."""
    story = draining()
    story.exits(WORKER, 0)
    story.job = a_job("Custom", chief=1, run_id="b")
    story.look()
    assert story.state.reason == TAKING_OVER
    assert (story.state.succeeded, story.state.training_succeeded, story.state.handled) == (frozenset(), None, {})


def test_a_takeover_with_no_state_names_the_run_that_tasks_have_to_wait_for() -> None:
    story = Story(a_job("Custom", worker=1, run_id="b"))
    story.pod(WORKER, run_id="a")
    story.sets = {"worker": Set(1, 1)}
    story.look()
    assert (story.state.run_id, story.state.reason, story.state.freed) == ("a", TAKING_OVER, False)
    story.free()
    assert story.look().run_id == "b"


@pytest.mark.parametrize(("node_loss", "forced"), [("Wait", False), ("Replace", True)])
def test_an_old_pod_on_a_lost_node_holds_the_next_run(node_loss: str, forced: bool) -> None:
    story = Story.running(a_job("Custom", worker=1))
    story.change(WORKER, deleted=story.now)
    story.job = a_job("Custom", worker=1, run_id="b", node_loss=node_loss)
    story.look(100)
    assert "node node-0 does not answer" in story.state.message
    assert bool(story.deleted()) == forced


def test_a_pod_of_the_old_run_that_comes_late_is_deleted() -> None:
    story = Story.running(a_job("Custom", worker=2, run_id="b"))
    story.pod(OTHER, run_id="a", status="Running")
    story.look()
    assert (story.deleted(), story.state.phase) == ([OTHER], RESTARTING)
    story.exits(OTHER, 1)
    assert story.state.failures == 0


def test_a_rollback_to_a_run_that_ended_does_not_repeat_it() -> None:
    story = Story.running(a_job("Custom", worker=1))
    story.exits(WORKER, 1)
    story.used = {WORKER: Usage(90.0)}
    first = story.exits(WORKER, 0)
    story.free()
    story.look()
    story.job = a_job("Custom", worker=1, run_id="b")
    story.look()
    story.start()
    assert story.look().phase == RUNNING
    story.job = a_job("Custom", worker=1)
    assert story.look().reason == TAKING_OVER
    story.free()
    story.look()
    assert (story.state.phase, story.state.reason, story.state.message) == (SUCCEEDED, "Completed", first.message)
    assert (story.state.restarts, story.state.usage) == (1, first.usage)
    assert story.scales() == {}
    assert story.finish() is True


def test_a_rollback_to_a_run_that_did_not_end_starts_it_again() -> None:
    story = Story.running(a_job("Custom", worker=1))
    story.exits(WORKER, 1)
    story.job = a_job("Custom", worker=1, run_id="b")
    story.look()
    story.free()
    story.look()
    assert story.state.run_id == "b"
    story.job = a_job("Custom", worker=1)
    assert story.look().phase == PENDING
    assert (story.state.run_id, story.state.failures, story.scales()) == ("a", 0, {"worker": 1})
    assert story.state.first_started == story.now
    assert [(past.run_id, past.phase) for past in story.state.history] == [("a", REPLACED), ("b", REPLACED)]
    story.start()
    story.exits(WORKER, 0)
    story.free()
    story.job = a_job("Custom", worker=1, run_id="c")
    story.look()
    assert [(past.run_id, past.phase) for past in story.state.history] == [
        ("a", REPLACED), ("b", REPLACED), ("a", SUCCEEDED),
    ]  # fmt: skip


def test_a_rollback_during_the_takeover_starts_the_old_run_again() -> None:
    story = Story.running(a_job("Custom", worker=1))
    story.job = a_job("Custom", worker=1, run_id="b")
    assert story.look().reason == TAKING_OVER
    story.job = a_job("Custom", worker=1)
    assert (story.look().run_id, story.state.phase) == ("a", RUNNING)


def test_outcomes_of_the_last_runs_are_kept_once_each() -> None:
    story = Story(a_job("Custom", worker=1))
    story.sets = {"worker": Set(0, 0)}
    for number in [*range(MAX_HISTORY + 5), MAX_HISTORY, MAX_HISTORY + 1]:
        story.job = a_job("Custom", worker=1, run_id=f"run-{number}")
        story.look()
        story.pod(WORKER, status="Running", restarts=1, last=Exit(0))
        assert story.look().phase == SUCCEEDED
        story.pods = {}
        story.look()
    runs = [outcome.run_id for outcome in story.state.history]
    assert len(runs) == len(set(runs)) == MAX_HISTORY
    assert runs[-1] == f"run-{MAX_HISTORY}"


# --- what is told -----------------------------------------------------------------------------------------------------


def test_counts_tell_each_role() -> None:
    story = Story.running(a_job(chief=1, worker=2, ps=1))
    story.exits(OTHER, 1, SERVER_WAS_READY)
    del story.pods[PS]
    assert counts(story.job, story.state, story.pods) == {
        "chief": {"replicas": 1, "running": 1, "succeeded": 0, "restarts": 0},
        "worker": {"replicas": 2, "running": 2, "succeeded": 0, "restarts": 1},
        "ps": {"replicas": 1, "running": 0, "succeeded": 0, "restarts": 0},
    }


def test_each_change_of_the_phase_is_reported_once() -> None:
    story = Story.running(a_job("Custom", worker=1))
    assert story.events() == [(RUNNING, "the task runs or is done")]
    story.look()
    assert story.events() == []
    story.exits(WORKER, 0)
    assert story.events() == [(SUCCEEDED, "Completed: worker-0 exited 0")]


def test_thousands_that_fall_at_once_are_not_reported_one_by_one() -> None:
    story = Story.running(a_job("Custom", worker=100))
    for index in range(100):
        story.change(Task("worker", index), restarts=1, last=Exit(1, finished=story.now))
    story.look()
    assert len(story.events()) == MAX_EVENTS + 1
    assert story.events()[-1][1] == "90 more exits"


# --- size ---------------------------------------------------------------------------------------------------------

ENDS = {
    "goes on": None,
    "fail": Exit(1, "Error", "Traceback"),
    "fail with an uncounted code": Exit(42),
    "are asked to end": Exit(143, message=WAS_ASKED_TO_END),
    "succeed": Exit(0),
}


def calls(story: Story) -> int:
    """How many functions a decision calls, those of the library included."""
    count = 0

    def note(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    observation = Observation(story.now + 1, story.pods, story.sets)
    sys.setprofile(note)
    try:
        decide(story.job, story.state, observation)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("end", ENDS)
def test_a_decision_costs_no_more_for_each_task_of_a_large_job_than_of_a_small_one(end: str) -> None:
    def cost(size: int) -> int:
        story = Story.running(a_job("MultiWorkerMirrored", worker=size, success_policy="AllWorkers", backoff_limit=100))
        story.exits(WORKER, 1)
        exit_ = ENDS[end]
        if exit_:
            exit_ = replace(exit_, finished=story.now)
            story.pods = {task: replace(pod, restarts=2, last=exit_) for task, pod in story.pods.items()}
        return calls(story)

    assert cost(2000) < 2.2 * cost(1000)
    assert cost(1000) < 80 * 1000, "5,000 tasks in well under a tenth of a second"


def test_replaced_pods_cost_no_more_for_each_task_of_a_large_job_than_of_a_small_one() -> None:
    def cost(size: int) -> int:
        story = Story.running(a_job("MultiWorkerMirrored", worker=size))
        story.exits(WORKER, 1)
        story.now += 5
        story.start()
        return calls(story)

    assert cost(2000) < 2.2 * cost(1000)
    assert cost(1000) < 80 * 1000
