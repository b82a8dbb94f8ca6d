"""restart.policy and restart.backoffLimit, against the exit codes that programs end with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Jobs
from .jobs import Job
from .programs import shell

# The rules of TFJob 1.8 (its e2e tests: Never {0: no, 1: no}; OnFailure {0: no, 1: restart}; ExitCode {0: no, 1: no,
# 128 and more: restart}). With `backoffLimit: 1` a program that is restarted is tried twice. Its `Always`, which runs a
# program again that succeeded, does not exist here.
TRIES = {
    ("Never", 0): 1,
    ("Never", 1): 1,
    ("Never", 137): 1,
    ("OnFailure", 0): 1,
    ("OnFailure", 1): 2,
    ("OnFailure", 137): 2,
    ("ExitCode", 0): 1,
    ("ExitCode", 1): 1,
    ("ExitCode", 137): 2,
}


@pytest.fixture(scope="module")
def installed(shared_jobs: Jobs) -> Callable[[str], Job]:
    """A job for each row of the table, and one that is restarted without end, side by side."""
    shared_jobs.install(shell("exit 42", restart={"backoffLimit": 0}), "uncounted")
    for policy, code in TRIES:
        # 137 by the signal itself, which is how programs come to it. ($$$$ is $$ once it is expanded.)
        end = "sleep 1; kill -s KILL $$$$" if code == 137 else f"sleep 1; exit {code}"
        values = shell(f"echo try; {end}", restart={"policy": policy, "backoffLimit": 1})
        shared_jobs.install(values, f"{policy.lower()}-{code}")
    return {job.name: job for job in shared_jobs.all}.__getitem__


@pytest.mark.parametrize(("policy", "code"), TRIES)
def test_policy_and_exit_code_decide_whether_a_program_is_tried_again(
    installed: Callable[[str], Job], policy: str, code: int
) -> None:
    job, tries = installed(f"{policy.lower()}-{code}"), TRIES[policy, code]
    status = job.wait_ended("Failed" if code else "Succeeded")
    assert status["exitCode"] == code
    assert job.restarts("worker-0") + 1 >= tries
    counted = [message for _, reason, message in job.events() if reason == "TaskFailed"]
    assert len(counted) == tries - 1
    if code == 0:
        assert status["message"] == "worker-0 exited 0"
    elif tries == 1:
        assert status["reason"] == "TaskFailed"
        assert status["message"].endswith(f"restart.policy {policy} does not restart it")
    else:
        assert status["reason"] == "BackoffLimitExceeded"
        assert status["message"].endswith("2 failures, restart.backoffLimit is 1")
    assert ("(SIGKILL)" in status["message"]) is (code == 137)


def test_the_limit_counts_failures_of_restarted_containers_and_of_new_pods_alike_and_no_deletions(jobs: Jobs) -> None:
    job = jobs.install(shell("wait_for fail; exit 1", restart={"backoffLimit": 2}))
    job.wait_running()
    job.tell("worker-0", "fail")
    job.wait_until("the first failure is counted", lambda: job.status["failures"] == 1)
    job.wait_until("the container runs again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    old = job.delete_pod("worker-0")
    job.wait_for_new_pod("worker-0", old)
    assert job.status["failures"] == 1
    job.tell("worker-0", "fail")
    job.wait_until("the second failure is counted", lambda: job.status["failures"] == 2)
    job.wait_until("the container runs again", lambda: job.runs("worker-0"))
    job.tell("worker-0", "fail")
    status = job.wait_ended("Failed")
    assert status["reason"] == "BackoffLimitExceeded"
    assert status["message"] == "worker-0 exited 1; 3 failures, restart.backoffLimit is 2"
    assert job.restarts("worker-0") == 1  # so no pod failed more than twice


def test_an_uncounted_exit_code_is_not_counted_however_often_it_comes(installed: Callable[[str], Job]) -> None:
    job = installed("uncounted")
    job.wait_until("four restarts", lambda: job.status["restarts"] >= 4, 90)
    assert job.status["failures"] == 0
