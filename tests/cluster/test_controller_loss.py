"""The lifecycle pod is lost, at any time: the outcome is the same, and nothing is counted or done twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Jobs
from .jobs import Job
from .namespaces import Seen
from .programs import shell

AGAIN = "test -e $HOME/again && { wait_for end; exit 0; }; wait_for fail; touch $HOME/again; exit 1"
NEVER = {"policy": "Never"}

VALUES = {
    "mid-run": shell(AGAIN),
    "failing": shell(AGAIN),
    "before-end": shell("wait_for end; echo the last words", ps={"replicas": 1}),
    # Worker 1 takes its time to go, so that there is some between deciding and the end.
    "decided": shell(
        'test $TASK_INDEX = 0 && { wait_for fail; exit 3; }; trap "" TERM; while :; do sleep 1; done',
        worker={"replicas": 2},
        restart=NEVER,
        terminationGracePeriodSeconds=10,
    ),
    "fails-after": shell("wait_for end; echo the last words; exit 3", restart=NEVER),
}


@pytest.fixture(scope="module")
def installed(shared_jobs: Jobs) -> Callable[[str], Job]:
    """All of them, side by side."""
    return shared_jobs.ahead(VALUES)


def test_lost_in_the_middle_of_a_run(installed: Callable[[str], Job]) -> None:
    job = installed("mid-run")
    job.wait_running()
    job.tell("worker-0", "fail")
    job.wait_until("the failure is counted", lambda: job.status["failures"] == 1)
    job.wait_running()
    run = job.status
    job.wait_for_other_controller(job.delete_lifecycle_pod())
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded")
    assert (status["runId"], status["startTime"]) == (run["runId"], run["startTime"])
    assert (status["failures"], status["restarts"]) == (1, 1)
    assert [reason for _, reason, _ in job.events()].count("TaskFailed") == 1
    assert job.restarts("worker-0") <= 2  # after the failure, and to park; no pod was made anew
    assert len({seen.object["metadata"]["uid"] for seen in _history(job)}) == 1


def test_lost_when_a_program_fails_the_failure_is_counted_once_by_the_next(installed: Callable[[str], Job]) -> None:
    job = installed("failing")
    job.wait_running()
    job.delete_lifecycle_pod()
    job.tell("worker-0", "fail")
    job.wait_until("the program runs again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    assert job.status["failures"] == 0
    job.wait_until("the failure is counted", lambda: job.status["failures"] == 1)
    job.wait_running()
    job.wait_for_other_controller(job.delete_lifecycle_pod())
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded")
    assert (status["failures"], status["restarts"]) == (1, 1)


def test_lost_right_before_the_end(installed: Callable[[str], Job]) -> None:
    job = installed("before-end")
    job.wait_running()
    job.delete_lifecycle_pod()
    job.tell("worker-0", "end")
    job.wait_for_log("worker-0", "worker-0 is done: its program exited 0. Nothing runs here")
    assert job.phase == "Running"
    status = job.wait_ended("Succeeded", disturbed=True)
    assert (status["decidingTask"], status["exitCode"], status["failures"]) == ("worker-0", 0, 0)
    assert "the last words" in job.tail()


def test_lost_between_deciding_and_freeing(installed: Callable[[str], Job]) -> None:
    job = installed("decided")
    job.wait_running()
    job.tell("worker-0", "fail")
    job.wait_until("the outcome is recorded", lambda: job.phase == "Failed")
    decided = job.status
    assert decided["freed"] is False
    job.delete_lifecycle_pod()
    status = job.wait_ended("Failed", disturbed=True)
    same = ("reason", "message", "decidingTask", "exitCode", "completionTime", "failures")
    assert [status[key] for key in same] == [decided[key] for key in same]
    assert [reason for _, reason, _ in job.events()].count("Failed") in (1, 2)
    assert "Failed (TaskFailed): worker-0 exited 3" in job.lifecycle_log()


def test_a_failure_is_in_the_log_even_when_a_controller_was_lost_before(installed: Callable[[str], Job]) -> None:
    job = installed("fails-after")
    job.wait_running()
    job.wait_for_other_controller(job.delete_lifecycle_pod())
    job.tell("worker-0", "end")
    job.wait_ended("Failed")
    assert "the last words" in job.tail()


def _history(job: Job) -> list[Seen]:
    name = f"{job.name}-worker-0"
    return [seen for seen in job.namespace.pods.history if seen.object["metadata"]["name"] == name]


def test_a_success_that_no_controller_saw_is_known_although_its_pod_is_gone(jobs: Jobs) -> None:
    script = 'echo trained >> "$CHECKPOINT_DIR/trained"; wait_for end'
    job = jobs.install(shell(script, checkpoint={"enabled": True}))
    job.wait_running()
    api, namespace = job.namespace.api, job.namespace.name
    note = {"metadata": {"annotations": {"tests/refresh": "1"}}}  # has the kubelet bring status.json at once
    api.patch("pods", namespace, f"{job.name}-worker-0", note)
    mounted = ("sh", "-c", "cat /tensorflow-job/config/status.json || true")
    job.wait_until("the pod knows its incarnation", lambda: "incarnation" in job.exec("worker-0", *mounted), 120)
    api.patch("jobs", namespace, job.controller, {"spec": {"suspend": True}})
    job.wait_until("no controller is left", lambda: not job.lifecycle_pods)
    job.tell("worker-0", "end")
    job.wait_until("the task is parked", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    old = job.delete_pod("worker-0")
    job.wait_for_new_pod("worker-0", old)
    job.wait_for_log("worker-0", "its program exited 0 in an earlier pod")
    api.patch("jobs", namespace, job.controller, {"spec": {"suspend": False}})
    status = job.wait_ended("Succeeded", disturbed=True)
    assert status["message"] == "worker-0 exited 0"
    assert job.in_volume(f"cat /checkpoints/{job.name}/trained").splitlines() == ["trained"]
