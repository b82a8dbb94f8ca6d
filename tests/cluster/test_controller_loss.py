"""The lifecycle pod is lost, at any time: the outcome is the same, and nothing is counted or done twice."""

from __future__ import annotations

from .conftest import Jobs
from .jobs import Job
from .namespaces import Seen
from .programs import shell


def test_lost_in_the_middle_of_a_run(jobs: Jobs) -> None:
    job = jobs.install(
        shell("test -e $HOME/again && { wait_for end; exit 0; }; wait_for fail; touch $HOME/again; exit 1")
    )
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


def test_lost_when_a_program_fails_the_failure_is_counted_once_by_the_next(jobs: Jobs) -> None:
    job = jobs.install(
        shell("test -e $HOME/again && { wait_for end; exit 0; }; wait_for fail; touch $HOME/again; exit 1")
    )
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


def test_lost_right_before_the_end(jobs: Jobs) -> None:
    job = jobs.install(shell("wait_for end; echo the last words", worker={"replicas": 1}, ps={"replicas": 1}))
    job.wait_running()
    job.delete_lifecycle_pod()
    job.tell("worker-0", "end")
    job.wait_for_log("worker-0", "worker-0 is done: its program exited 0. Nothing runs here")
    assert job.phase == "Running"
    status = job.wait_ended("Succeeded", disturbed=True)
    assert (status["decidingTask"], status["exitCode"], status["failures"]) == ("worker-0", 0, 0)
    assert "the last words" in job.tail()


def test_lost_between_deciding_and_releasing(jobs: Jobs) -> None:
    script = 'test $TASK_INDEX = 0 && { sleep 2; exit 3; }; trap "" TERM; while :; do sleep 1; done'
    values = shell(script, worker={"replicas": 2}, restart={"policy": "Never"}, terminationGracePeriodSeconds=10)
    job = jobs.install(values)
    job.wait_until("the outcome is recorded", lambda: job.phase == "Failed")
    decided = job.status
    assert decided["freed"] is False
    job.delete_lifecycle_pod()
    status = job.wait_ended("Failed", disturbed=True)
    same = ("reason", "message", "decidingTask", "exitCode", "completionTime", "failures")
    assert [status[key] for key in same] == [decided[key] for key in same]
    assert [reason for _, reason, _ in job.events()].count("Failed") in (1, 2)
    assert "Failed (TaskFailed): worker-0 exited 3" in job.lifecycle_log()


def test_a_failure_is_in_the_log_even_when_a_controller_was_lost_before(jobs: Jobs) -> None:
    job = jobs.install(shell("wait_for end; echo the last words; exit 3", restart={"policy": "Never"}))
    job.wait_running()
    job.wait_for_other_controller(job.delete_lifecycle_pod())
    job.tell("worker-0", "end")
    job.wait_ended("Failed")
    assert "the last words" in job.tail()


def _history(job: Job) -> list[Seen]:
    name = f"{job.name}-worker-0"
    return [seen for seen in job.namespace.pods.history if seen.object["metadata"]["name"] == name]
