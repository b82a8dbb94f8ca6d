"""How a job ends: as its program did, at once, and with everything freed."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable

import pytest

from .conftest import HELMS, Jobs, SideBySide
from .jobs import Helm, Job, seconds_between
from .measure import program_end
from .programs import shell
from .tool import Tool

SAVES = """
if test $TASK_INDEX = 0; then
  wait_for fall
  exec python3 -c "raise OSError(28, 'No space left on device', '/data/x')"
fi
trap 'wait_for saved; exit 0' TERM
echo saves when asked to end
while :; do sleep 0.1; done
"""
KEPT = "sleep 2; echo trained for $HOME > $HOME/notes; echo last words"
DRAIN = 'case $TASK_TYPE in chief) sleep 2;; evaluator) wait_for "end"; echo evaluated;; worker) sleep 600;; esac'


def test_a_failing_program_fails_helm_the_job_and_kubectl_wait_and_its_last_lines_are_kept(
    side_by_side: SideBySide, note: Callable[[str], None]
) -> None:
    side_by_side(functools.partial(_fails, note), HELMS)


def _fails(note: Callable[[str], None], jobs: Jobs, helm: Helm) -> None:
    # What goes to two streams keeps its order only where time is between.
    words = "echo first words; sleep 0.2; echo last words >&2; sleep 0.2"
    script = f"test $TASK_TYPE = ps && sleep 600; sleep 2; {words}; exit 3"
    job = jobs.new(helm=helm)
    values = shell(script, ps={"replicas": 2}, restart={"policy": "Never"})
    # Helm 4 says so at once, as Flux does, which has its waits; Helm 3 only when its time is over.
    timeout = "20s" if helm == "helm3" else "10m"
    job.install(values, "--wait", "--wait-for-jobs", f"--timeout={timeout}", succeeds=False)
    returned = time.time()
    status = job.wait_ended("Failed")
    failed = program_end(job)
    assert failed
    note(f"{helm} --wait --wait-for-jobs --timeout={timeout} fails after the failure: {returned - failed:.1f} s")
    assert (status["reason"], status["decidingTask"], status["exitCode"]) == ("TaskFailed", "worker-0", 3)
    assert status["message"] == "worker-0 exited 3; restart.policy Never does not restart it"
    assert job.condition("Failed")["reason"] == "BackoffLimitExceeded"
    # As the notes of the release recommend: one that returns whatever the outcome is, and one that tells which.
    wait = ["wait", f"job/{job.controller}", "-n", jobs.namespace.name]
    ended = [*wait, "--for=jsonpath={.status.conditions[-1:].status}=True", "--timeout=60s"]
    assert jobs.target.run("kubectl", *ended).returncode == 0
    assert jobs.target.run("kubectl", *wait, "--for=condition=complete", "--timeout=1s").returncode == 1
    log = jobs.target.run("kubectl", "logs", f"job/{job.controller}", "-n", jobs.namespace.name).stdout
    assert "Failed (TaskFailed): worker-0 exited 3" in log
    assert "last words of" not in log
    assert [line.strip() for line in log.splitlines()[-3:-1]] == ["first words", "last words"]
    assert log.splitlines()[-1].strip().startswith("ended at")
    assert ("Warning", "Failed", f"TaskFailed: {status['message']}: {status['lastLine']}") in job.events()


def test_helm_returns_when_the_job_has_succeeded(side_by_side: SideBySide) -> None:
    side_by_side(_succeeds, HELMS)


def _succeeds(jobs: Jobs, helm: Helm) -> None:
    job = jobs.new(helm=helm)
    values = shell("test $TASK_TYPE = ps && sleep 600; sleep 2", ps={"replicas": 1})
    job.install(values, "--wait", "--wait-for-jobs", "--timeout=120s")
    # Helm has returned, so all is over already.
    job.wait_until("the watches have seen it", lambda: job.phase == "Succeeded" and job.condition("Complete"), 10)
    assert job.wait_ended("Succeeded")["message"] == "worker-0 exited 0"


def test_why_a_job_failed_is_reported_while_its_peers_still_save(jobs: Jobs) -> None:
    job, tool = jobs.new(), Tool(jobs.target, jobs.namespace.name)
    job.install(shell(SAVES, worker={"replicas": 2}, restart={"policy": "Never"}, terminationGracePeriodSeconds=120))
    job.wait_for_log("worker-1", "(?m)^saves when asked to end")
    job.tell("worker-0", "fall")
    output, _ = tool("wait", job.name, code=1)
    why = "OSError: [Errno 28] No space left on device: '/data/x'"
    assert f"\nlast line: {why}\nhint: a volume is full" in output
    assert output.endswith(f"  {why}\n")
    assert "worker-1" in job.pods
    assert (job.status["lastLine"], job.status["freed"]) == (why, False)
    assert f"worker-0: {why}\n" in tool("status")[0]
    assert [text for _, reason, text in job.events() if reason == "Failed"][-1].endswith(f"does not restart it: {why}")
    job.tell("worker-1", "saved")
    job.wait_ended("Failed", disturbed=True)


@pytest.fixture(scope="module")
def waiting(shared_jobs: Jobs) -> Callable[[str], Job]:
    """Jobs that take their time to end, side by side."""
    chief, evaluator = {"replicas": 1}, {"replicas": 1}
    shared_jobs.install(shell("sleep 600", deadlines={"activeSeconds": 15}), "late")
    shared_jobs.install(shell(DRAIN, chief=chief, evaluator=evaluator), "drained")
    grace = {"evaluatorGraceSeconds": 8}
    shared_jobs.install(shell(DRAIN, chief=chief, evaluator=evaluator, completion=grace), "endless")
    shared_jobs.install(shell(KEPT, worker={"replicas": 2}, cleanup={"onSuccess": "Keep"}), "kept")
    return {job.name: job for job in shared_jobs.all}.__getitem__


def test_after_success_only_the_evaluator_goes_on_and_its_end_is_waited_for(waiting: Callable[[str], Job]) -> None:
    job = waiting("drained")
    job.wait_until("only the evaluator is left", lambda: [*job.pods] == ["evaluator-0"])
    assert (job.phase, job.status["reason"]) == ("Running", "WaitingForEvaluator")
    assert not job.condition("Complete")
    job.tell("evaluator-0", "end")
    status = job.wait_ended("Succeeded", disturbed=True)
    assert status["message"] == "chief-0 exited 0"
    assert status["succeeded"] == {"chief": "0", "evaluator": "0"}


def test_an_evaluator_that_does_not_end_is_ended_when_its_grace_is_over(waiting: Callable[[str], Job]) -> None:
    job = waiting("endless")
    status = job.wait_ended("Succeeded", disturbed=True)
    assert status["message"] == "chief-0 exited 0; evaluator-0 still ran 8 s later and is ended"
    assert seconds_between(status["trainingSucceededTime"], status["completionTime"]) >= 8


def test_a_run_that_is_active_too_long_fails(waiting: Callable[[str], Job]) -> None:
    job = waiting("late")
    status = job.wait_ended("Failed", disturbed=True)
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "the run was still active after deadlines.activeSeconds (15 s)"
    assert seconds_between(status["startTime"], status["completionTime"]) >= 15


def test_pods_are_kept_after_success_where_that_is_wanted_until_they_are_pruned(
    waiting: Callable[[str], Job], shared_jobs: Jobs
) -> None:
    job = waiting("kept")
    job.wait_for_phase("Succeeded")
    job.wait_until("the Job is Complete", lambda: job.condition("Complete"))
    job.wait_for_log(
        "worker-0", "worker-0 is done: its program exited 0. Nothing runs here(.|\n)*\nlast words\nended at .*\n$"
    )
    look = ["exec", f"{job.name}-worker-0", "-n", job.namespace.name, "--", "cat", "/tensorflow-job-state/home/notes"]
    assert job.target.run("kubectl", *look).stdout.startswith("trained for /tensorflow-job-state/home")
    assert job.restarts("worker-0") == 1
    assert set(job.pods) == {"worker-0", "worker-1"}
    assert job.sets() == {"worker": 2}
    shared_jobs.all.remove(job)
    tool = Tool(job.target, job.namespace.name)
    said, _ = tool("prune", "--older-than", "0", "-l", f"tensorflow-job/job={job.name}")
    assert re.match(rf"{job.namespace.name}/kept uninstalled \(kept Succeeded, .*\)\n$", said)
    job.wait_until("its pods are gone", lambda: not job.pods)
