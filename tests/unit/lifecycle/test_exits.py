"""What the exits of containers mean: rows of the table in decide.py, each a short story."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.lifecycle.decide import BACKOFF_SECONDS
from tfconfig.tensorflow_job.lifecycle.excuses import EXCUSE_SECONDS, MAX_EXCUSES
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    RESTARTING,
    RUNNING,
    SUCCEEDED,
    Exit,
)
from tfconfig.tensorflow_job.lifecycle.text import plural

from .story import (
    NOW,
    OTHER,
    PS,
    SERVER_WAS_READY,
    WAS_ASKED_TO_END,
    WORKER,
    Story,
)

# --- exits of programs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "code", "failures"), [("Never", 0, 0), ("Never", 1, 1), ("OnFailure", 0, 0), ("ExitCode", 1, 1)]
)
def test_a_role_that_restarts_always_is_never_done(policy: str, code: int, failures: int) -> None:
    job = changed(a_job("Custom", worker=1, ps=1, policy=policy), restart={"alwaysRoles": ["ps"]})
    story = Story.running(job)
    story.exits(PS, code)
    assert (story.state.ended, story.state.failures, story.state.restarts) == (False, failures, 1)
    assert PS not in story.state.succeeded
    story.exits(WORKER, 0)
    assert story.state.phase == SUCCEEDED


@pytest.mark.parametrize(
    ("policy", "code", "retryable", "outcome"),
    [
        ("Never", 0, None, "succeeded"),
        ("Never", 1, None, "failed"),
        ("Never", 42, None, "not counted"),
        ("Never", 137, None, "failed"),
        ("OnFailure", 0, None, "succeeded"),
        ("OnFailure", 1, None, "counted"),
        ("OnFailure", 42, None, "not counted"),
        ("OnFailure", 137, None, "counted"),
        ("ExitCode", 0, None, "succeeded"),
        ("ExitCode", 1, None, "failed"),
        ("ExitCode", 127, None, "failed"),
        ("ExitCode", 128, None, "counted"),
        ("ExitCode", 42, None, "not counted"),
        ("ExitCode", 137, None, "counted"),
        ("ExitCode", 1, [1], "counted"),
        ("ExitCode", 137, [1], "failed"),
        ("ExitCode", 42, [], "not counted"),
    ],
)
def test_an_exit_means_what_restart_policy_says(
    policy: str, code: int, retryable: list[int] | None, outcome: str
) -> None:
    story = Story.running(a_job("Custom", worker=1, policy=policy, retryable=retryable))
    state = story.exits(WORKER, code)
    expected = {
        "succeeded": (SUCCEEDED, 0, 0),
        "failed": (FAILED, 0, 0),
        "counted": (RUNNING, 1, 1),
        "not counted": (RUNNING, 0, 1),
    }
    assert (state.phase, state.failures, state.restarts) == expected[outcome]
    if outcome == "failed":
        assert (state.reason, state.deciding_task, state.exit_code) == ("TaskFailed", WORKER, code)
        assert f"worker-0 exited {code}" in state.message
        assert f"restart.policy {policy}" in state.message


def test_what_ended_a_program_is_reported_in_kubernetes_words() -> None:
    story = Story.running(a_job("Custom", worker=1, policy="Never"))
    state = story.exits(WORKER, 137, reason="OOMKilled")
    assert "worker-0 exited 137 (OOMKilled)" in state.message


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_a_job_fails_with_the_first_failure_over_backoff_limit(limit: int) -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=limit))
    for failures in range(1, limit + 1):
        assert story.exits(WORKER, 1).failures == failures
        assert story.state.phase == RUNNING
    state = story.exits(WORKER, 1)
    assert (state.phase, state.reason, state.deciding_task, state.exit_code) == (
        FAILED,
        "BackoffLimitExceeded",
        WORKER,
        1,
    )
    assert (state.failures, state.restarts) == (limit + 1, limit)
    assert f"{plural(limit + 1, 'failure')}, restart.backoffLimit is {limit}" in state.message


def test_backoff_limit_counts_across_recreated_pods() -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=1))
    story.exits(WORKER, 1)
    story.pod(WORKER, status="Running")
    story.look()
    assert story.exits(WORKER, 1).reason == "BackoffLimitExceeded"


def test_a_success_stands_whatever_becomes_of_the_container() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.exits(OTHER, 0)
    assert story.state.succeeded == {OTHER}
    story.exits(OTHER, 1)
    story.pod(OTHER, status="Running")
    story.exits(OTHER, 137)
    assert (story.state.succeeded, story.state.failures, story.state.phase) == (frozenset([OTHER]), 0, RUNNING)


def test_a_success_and_a_later_failure_seen_at_once_are_a_success() -> None:
    story = Story.running(a_job("Custom", worker=2, policy="Never"))
    done, later = Exit(0, finished=story.now), Exit(1, finished=story.now + 5)
    story.change(OTHER, restarts=1, last=done, current=later)
    assert (story.look(6).phase, story.state.failures, story.state.succeeded) == (RUNNING, 0, frozenset([OTHER]))


def test_finished_tasks_take_no_room_in_the_stored_state() -> None:
    story = Story.running(a_job("Custom", worker=3, success_policy="AllWorkers"))
    story.exits(WORKER, 1)
    assert WORKER in story.state.handled
    story.exits(WORKER, 0)
    story.exits(OTHER, 0)
    assert story.state.handled == {}


@pytest.mark.parametrize("policy", ["Never", "OnFailure", "ExitCode"])
def test_a_container_that_the_runtime_refuses_is_no_failure_of_the_program_and_ends_the_job_with_the_reason(
    policy: str,
) -> None:
    story = Story(a_job("Custom", worker=1, policy=policy, unstartable=100))
    story.start()
    refused = Exit(128, "StartError", 'exec: "python3": not found', story.now)
    waits: dict[str, Any] = {"status": "Waiting", "reason": "StartError", "message": "set python", "current": refused}
    story.change(WORKER, **waits)
    assert (story.look().failures, story.state.phase) == (0, "Pending")
    story.change(WORKER, restarts=4, last=refused)
    assert (story.look(99).failures, story.state.restarts) == (0, 0)
    assert story.deleted() == []
    state = story.look(1)
    assert (state.phase, state.reason, state.exit_code) == (FAILED, "PodsCannotStart", None)
    assert state.message == "worker-0: StartError: set python (for 100 s, deadlines.unstartableSeconds)"


# --- built-in servers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 137, 143])
def test_a_server_that_was_ready_restarts_uncounted(code: int) -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, policy="Never"))
    state = story.exits(PS, code, SERVER_WAS_READY)
    assert (state.phase, state.failures, state.restarts) == (RUNNING, 0, 1)
    assert [reason for reason, _ in story.events()] == ["TaskDisrupted"]


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_server_that_never_gets_ready_ends_the_job(code: int) -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, backoff_limit=3))
    for _ in range(3):
        assert story.exits(PS, code, "ImportError").phase == RUNNING
    state = story.exits(PS, code, "ImportError")
    assert (state.phase, state.reason, state.deciding_task) == (FAILED, "BackoffLimitExceeded", PS)


def test_a_server_that_needs_more_memory_than_it_may_have_ends_the_job() -> None:
    """With cgroup v2 the whole container is killed: nobody is left to tell that the server had been ready."""
    story = Story.running(a_job(chief=1, worker=1, ps=1, backoff_limit=2))
    for _ in range(3):
        story.exits(WORKER, 137, "last lines of the log", reason="OOMKilled")
    assert story.state.reason == "BackoffLimitExceeded"
    assert "worker-0 exited 137 (OOMKilled)" in story.state.message


def test_a_server_cannot_succeed() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1))
    story.exits(WORKER, 0, SERVER_WAS_READY)
    assert story.state.succeeded == frozenset()


def test_words_of_a_server_are_nothing_in_a_program() -> None:
    story = Story.running(a_job("Custom", worker=1))
    assert story.exits(WORKER, 1, SERVER_WAS_READY).failures == 1


# --- pods that go -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["Never", "OnFailure", "ExitCode"])
@pytest.mark.parametrize("code", [0, 1, 42, 137, 143])
def test_an_exit_because_of_sigterm_is_neither_success_nor_failure(policy: str, code: int) -> None:
    story = Story.running(a_job("Custom", worker=1, policy=policy))
    state = story.is_stopped(WORKER, code)
    assert (state.phase, state.failures, state.succeeded) == (RUNNING, 0, frozenset())


@pytest.mark.parametrize("code", [0, 1, 3, 137, 143])
def test_a_program_that_only_claims_that_it_was_asked_to_end_has_failed(code: int) -> None:
    """It can write the message as well as PID 1 can: a pod that stays was asked by nobody."""
    story = Story.running(a_job("Custom", worker=1, backoff_limit=1))
    story.change(WORKER, sandbox_since=NOW - 1)
    assert story.exits(WORKER, code, WAS_ASKED_TO_END).failures == 1
    assert "its message says that it was asked to end, which nothing confirms; failure 1 of 1" in story.events()[0][1]
    state = story.exits(WORKER, code, WAS_ASKED_TO_END, after=100)
    assert (state.reason, state.succeeded) == ("BackoffLimitExceeded", frozenset())


def test_a_program_that_dies_with_its_node_has_not_failed() -> None:
    story = Story.running(a_job("Custom", worker=1, policy="Never"))
    died = Exit(255, "Unknown", "", story.now, story.now - 100)
    story.change(WORKER, status="Waiting", current=died, sandbox_since=math.inf)
    assert (story.look().phase, story.state.failures) == (RESTARTING, 0)


def test_a_new_sandbox_may_be_there_within_the_second_in_which_the_program_ended() -> None:
    story = Story.running(a_job("Custom", worker=1, policy="Never"))
    story.change(WORKER, sandbox_since=story.now + 1)
    assert story.exits(WORKER, 143, WAS_ASKED_TO_END, after=1, ran=100).failures == 0
    assert story.state.phase == RUNNING


def test_a_program_that_ends_before_its_sandbox_is_known_has_failed() -> None:
    story = Story.running(a_job("Custom", worker=1))
    story.change(WORKER, sandbox_since=NOW + 2)
    assert story.exits(WORKER, 3, WAS_ASKED_TO_END, ran=0.5).failures == 1


def test_a_server_that_ends_again_and_again_though_it_was_ready_ends_the_job() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, backoff_limit=0))
    for _ in range(MAX_EXCUSES):
        assert story.exits(PS, 1, SERVER_WAS_READY).phase == RUNNING
    state = story.exits(PS, 1, SERVER_WAS_READY)
    assert state.reason == "BackoffLimitExceeded"
    assert f"this happened more than {MAX_EXCUSES} times and is a failure from now on" in state.message


def test_a_server_that_ends_now_and_then_is_never_counted() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, backoff_limit=0))
    for _ in range(5 * MAX_EXCUSES):
        assert story.exits(PS, 1, SERVER_WAS_READY, after=EXCUSE_SECONDS).failures == 0


@pytest.mark.parametrize("reason", ["Evicted", "TerminationByKubelet", "RestartingAllContainers"])
def test_a_program_that_fills_its_node_again_and_again_ends_the_job(reason: str) -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=0))
    assert taken_away(story, MAX_EXCUSES, disrupted=reason) == 0
    assert taken_away(story, 1, disrupted=reason) == 1
    assert story.state.reason == "BackoffLimitExceeded"


@pytest.mark.parametrize(
    "how", [{"deleted": NOW + 30}, {"disrupted": "PreemptionByScheduler"}, {"disrupted": "EvictionByEvictionAPI"}]
)
def test_what_others_do_to_a_pod_is_never_counted_however_often(how: dict[str, Any]) -> None:
    story = Story.running(a_job("Custom", worker=1, policy="Never"))
    assert taken_away(story, 5 * MAX_EXCUSES, **how) == 0


def test_a_restart_of_all_containers_that_one_beside_it_asked_for_is_no_failure_of_the_task() -> None:
    story = Story.running(a_job("Custom", worker=1, policy="Never"))
    gone = Exit(137, "RestartingAllContainers", "The container is removed", story.now)
    for restarts in range(1, MAX_EXCUSES + 1):
        story.change(WORKER, status="Running", restarts=restarts, last=gone)
        assert story.look().failures == 0
    story.change(WORKER, status="Running", restarts=MAX_EXCUSES + 1, last=gone)
    assert story.look().reason == "TaskFailed"


def taken_away(story: Story, times: int, **how: Any) -> int:
    """The failures, once worker-0's pod was taken away so often and replaced."""
    for _ in range(times):
        gone = Exit(143, "Error", WAS_ASKED_TO_END, story.now)
        story.change(WORKER, status="Terminated", current=gone, **how)
        story.look()
        story.pod(WORKER, status="Running")
        story.look()
    return story.state.failures


def test_a_task_that_its_probe_stops_has_failed() -> None:
    """Nothing else sends SIGTERM to a container whose pod stays."""
    story = Story.running(a_job("Custom", worker=1, backoff_limit=1))
    story.change(WORKER, probed=True)
    assert story.exits(WORKER, 143, WAS_ASKED_TO_END).failures == 1
    assert "exited 143 (SIGTERM) (by its livenessProbe or startupProbe); failure 1" in story.events()[0][1]
    assert story.exits(WORKER, 0, WAS_ASKED_TO_END, after=100).reason == "BackoffLimitExceeded"


@pytest.mark.parametrize("how", [{"deleted": NOW + 30}, {"disrupted": "Evicted"}])
def test_a_pod_with_probes_that_is_taken_away_has_not_failed(how: dict[str, Any]) -> None:
    story = Story.running(a_job("Custom", worker=1, policy="Never"))
    gone = Exit(143, "Error", WAS_ASKED_TO_END, story.now)
    story.change(WORKER, status="Terminated", probed=True, current=gone, **how)
    assert (story.look().phase, story.state.failures) == (RESTARTING, 0)


@pytest.mark.parametrize("how", [{"deleted": NOW + 30}, {"disrupted": "Evicted"}])
def test_the_exit_that_ends_a_pod_is_not_counted(how: dict[str, Any]) -> None:
    story = Story.running(a_job("Custom", worker=1, policy="Never"))
    story.change(WORKER, status="Terminated", current=Exit(137, "Error", "", story.now), **how)
    assert (story.look().phase, story.state.failures) == (RESTARTING, 0)


@pytest.mark.parametrize("how", [{"deleted": NOW + 30}, {"disrupted": "Evicted"}])
def test_a_success_before_the_pod_was_taken_away_stands(how: dict[str, Any]) -> None:
    """A node is drained when training has just ended, and the controller with it: it finds parked pods evicted."""
    story = Story.running(a_job("Custom", worker=1))
    done = Exit(0, "Completed", "worker-0 is done", story.now)
    story.change(WORKER, status="Terminated", restarts=1, last=Exit(0, "Completed", "", story.now), current=done, **how)
    assert story.look().phase == SUCCEEDED


@pytest.mark.parametrize("how", [{"deleted": NOW + 30}, {"disrupted": "Evicted"}])
def test_a_failure_before_the_pod_was_taken_away_counts(how: dict[str, Any]) -> None:
    story = Story.running(a_job("Custom", worker=1))
    gone = Exit(143, "Error", WAS_ASKED_TO_END, story.now + 1)
    story.change(WORKER, status="Terminated", restarts=1, last=Exit(1, finished=story.now), current=gone, **how)
    assert story.look().failures == 1


def test_a_deleted_pod_is_replaced_without_being_counted() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.change(WORKER, deleted=story.now + 30)
    assert (story.look().phase, story.state.message) == (RESTARTING, "worker-0: its pod is being deleted")
    del story.pods[WORKER]
    assert (story.look().phase, story.state.message) == (RESTARTING, "worker-0: no pod yet")
    story.pod(WORKER)
    story.look()
    story.change(WORKER, status="Running")
    assert (story.look().phase, story.state.failures) == (RUNNING, 0)


def test_a_pod_seen_again_after_it_was_missing_is_not_counted_again() -> None:
    story = Story.running(a_job("Custom", worker=2))
    story.exits(WORKER, 1)
    pod = story.pods.pop(WORKER)
    story.look()
    story.pods[WORKER] = pod
    assert story.look().failures == 1


def test_restarts_that_nobody_saw_are_counted() -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=10))
    ends = story.now + 40
    story.change(WORKER, restarts=4, last=Exit(1, finished=ends), current=Exit(1, finished=ends + 40))
    assert story.look(90).failures == 5
    story.change(WORKER, restarts=5, last=Exit(1, finished=ends + 40), current=None)
    assert story.look().failures == 5, "the exit that was current is the last one now"


def test_a_wait_in_back_off_shows_only_the_newest_exit() -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=10))
    story.change(WORKER, status="Waiting", restarts=2, current=Exit(1, finished=story.now), backoff=12.0)
    assert story.look().failures == 3
    assert story.state.message == "worker-0: restarts after a back-off of 12 s"


def test_a_pod_that_would_wait_long_is_deleted() -> None:
    story = Story.running(a_job("Custom", worker=2, backoff_limit=10))
    crash = {"status": "Waiting", "reason": "CrashLoopBackOff", "current": Exit(1, finished=story.now)}
    story.change(WORKER, backoff=BACKOFF_SECONDS - 1, **crash)
    story.look()
    assert story.deleted() == []
    story.change(WORKER, backoff=BACKOFF_SECONDS)
    story.look()
    assert story.deleted() == [WORKER]
    assert story.events()[-1] == ("TaskRecreated", "worker-0: restarted now, not after a back-off of 20 s")
    story.change(WORKER, deleted=story.now)
    story.look()
    assert story.deleted() == []


@pytest.mark.parametrize("code", [0, 1])
def test_a_server_that_ends_before_it_was_ready_has_failed_whatever_its_status(code: int) -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, policy="Never"))
    state = story.exits(PS, code)
    assert (state.phase, state.reason, state.deciding_task) == (FAILED, "TaskFailed", PS)


def test_one_of_a_kind_is_not_counted_as_many() -> None:
    state = Story.running(a_job("Custom", worker=1, backoff_limit=0)).exits(WORKER, 1)
    assert state.message == "worker-0 exited 1; 1 failure, restart.backoffLimit is 0"
    assert [plural(count, "pod") for count in (0, 1, 2)] == ["0 pods", "1 pod", "2 pods"]
