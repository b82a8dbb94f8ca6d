"""The digits example, trained for real, undisturbed and with each of its tasks lost once."""

from __future__ import annotations

import re

import pytest

from .conftest import Jobs
from .jobs import Job
from .programs import DIGITS, digits

# Seconds of training, with a checkpoint every second or less.
STEPS = 1200
ARGUMENTS = ("--save-every=50", "--round=25")


@pytest.mark.timeout(660, func_only=True)
def test_the_digits_example_trains_and_helm_returns_when_it_has_succeeded(jobs: Jobs) -> None:
    job = jobs.new("digits")
    example = ["-f", str(DIGITS / "values.yaml"), "--set-file", f"program.files.train\\.py={DIGITS / 'train.py'}"]
    job.install({}, *example, "--wait", "--wait-for-jobs", "--timeout=10m")
    # Helm has returned, so all is over already.
    job.wait_until("the watches have seen it", lambda: job.phase == "Succeeded" and job.condition("Complete"), 10)
    status = job.wait_ended("Succeeded")
    assert (status["reason"], status["message"]) == ("Completed", "chief-0 exited 0")
    assert (status["failures"], status["restarts"]) == (0, 0)
    [version] = status["record"]["tensorflow"]
    assert re.fullmatch(r"2\.\d+\.\d+", version), "that of the program and of the built-in servers"

    wait = ["wait", "--for=condition=complete", f"job/{job.controller}", "--timeout=5s", "-n", jobs.namespace.name]
    assert jobs.target.run("kubectl", *wait).returncode == 0
    log = jobs.target.run("kubectl", "logs", f"job/{job.controller}", "-n", jobs.namespace.name).stdout
    assert "Succeeded (Completed): chief-0 exited 0" in log
    assert _accuracy(log, 1500) > 0.9
    events = [(kind, reason) for kind, reason, _ in job.events()]
    assert events[-1] == ("Normal", "Succeeded")
    assert ("Normal", "Running") in events
    assert "Warning" not in [kind for kind, _ in events]

    slices = jobs.namespace.list("endpointslices", labelSelector=f"kubernetes.io/service-name={job.name}")
    assert [slice_["endpoints"] for slice_ in slices if slice_.get("endpoints")] == []
    files = job.in_volume(f"ls /checkpoints/{job.name}").split()
    assert {"checkpoint", "ckpt-1500.index"} <= set(files)


def test_the_chief_resumes_from_the_checkpoint_when_its_process_is_killed_and_when_its_pod_is_deleted(
    jobs: Jobs,
) -> None:
    job = jobs.install(digits(STEPS, *ARGUMENTS))
    _wait_for_step(job, 100)
    job.kill_program("chief-0")
    job.wait_until("the failure is counted", lambda: job.status["failures"] == 1)
    _wait_until_resumed(job, 50)
    _wait_for_step(job, 400)
    old = job.delete_pod("chief-0")
    job.wait_for_new_pod("chief-0", old)
    _wait_until_resumed(job, 350)
    status = job.wait_ended("Succeeded")
    assert _accuracy(job.tail(), STEPS) > 0.9
    assert 1 <= status["failures"] <= 2  # a deleted pod is no failure, but peers may call its old address once more


def test_training_goes_on_without_a_worker_pod_and_recovers_from_the_checkpoint_without_a_parameter_server(
    jobs: Jobs,
) -> None:
    job = jobs.install(digits(STEPS, *ARGUMENTS))
    _wait_for_step(job, 100)
    old = job.delete_pod("worker-1")
    job.wait_for_new_pod("worker-1", old)
    _wait_for_step(job, 200)
    assert job.restarts("chief-0") == 0
    assert job.status["failures"] == 0
    assert "resumed" not in job.log("chief-0")

    job.kill_program("ps-0")
    _wait_until_resumed(job, 50)
    _wait_for_step(job, 400)
    old = job.delete_pod("ps-1")
    job.wait_for_new_pod("ps-1", old)
    _wait_until_resumed(job, 350)
    job.wait_ended("Succeeded")
    assert _accuracy(job.tail(), STEPS) > 0.9


def test_a_job_that_is_suspended_holds_nothing_and_resumes_from_the_checkpoint(jobs: Jobs) -> None:
    job = jobs.install(digits(STEPS, *ARGUMENTS))
    _wait_for_step(job, 100)
    run = job.status["runId"]
    job.upgrade("--reuse-values", "--set", "suspend=true")
    job.wait_for_phase("Suspended")
    job.wait_until("no training pod is left", lambda: not job.pods, 30)
    job.wait_for_message("no pod is left")
    assert set(job.sets().values()) == {0}
    assert not job.condition("Complete")
    job.upgrade("--reuse-values", "--set", "suspend=false")
    _wait_until_resumed(job, 50)
    status = job.wait_ended("Succeeded")
    assert (status["runId"], status["failures"]) == (run, 0)
    assert _accuracy(job.tail(), STEPS) > 0.9


def _wait_for_step(job: Job, step: int) -> None:
    def reached() -> bool:
        return any(int(found) >= step for found in re.findall(r"^step (\d+) of", job.log("chief-0"), re.MULTILINE))

    job.wait_until(f"step {step}", reached, 120)


def _wait_until_resumed(job: Job, step: int) -> None:
    """The chief's present program went on from this step or a later one. (It may have fallen once more before that.)"""

    def resumed() -> bool:
        found = re.search(r"^resumed from .* at step (\d+)$", job.log("chief-0"), re.MULTILINE)
        return found is not None and int(found[1]) >= step

    job.wait_until(f"the chief resumes from step {step} or later", resumed, 120)


def _accuracy(text: str, steps: int) -> float:
    """The accuracy at the end of the training, which took all of its steps."""
    found = re.search(rf"done: step {steps}, test accuracy (\S+) on", text)
    assert found, text
    return float(found[1])
