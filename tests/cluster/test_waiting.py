"""Pods that cannot start: the status says why in Kubernetes' words, and in the end the job fails and holds nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from .conftest import Jobs
from .jobs import Job, Values, seconds_between, shell

START = 25
UNSTARTABLE = 5
TPU = "example.com/tpu"


def _missing_secret() -> Values:
    reference = {"secretKeyRef": {"name": "credentials", "key": "token"}}
    return shell("exit 0", env={"TOKEN": {"valueFrom": reference}})


def _failing_init_container() -> Values:
    fetch = {
        "name": "fetch",
        "image": "",  # known when the cluster is
        "command": ["sh", "-c", "echo no such bucket; exit 3"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return shell("exit 0", initContainers=[fetch])


# Name of the job -> its values, and what the status says while it waits.
PENDING: dict[str, tuple[Values, str]] = {
    "quota": (
        shell("exit 0", worker={"replicas": 1, "gpus": 1}, gpuResource=TPU),
        r"^worker-0: .*forbidden: exceeded quota: none, requested: requests.example.com/tpu=1",
    ),
    "admission": (
        shell("exit 0", securityContext={"allowPrivilegeEscalation": True}),
        r'^worker-0: .*violates PodSecurity "restricted:latest"',
    ),
    "gpus": (
        shell("exit 0", worker={"replicas": 2, "gpus": 99}),
        r"^worker-0: Unschedulable: .*Insufficient nvidia.com/gpu.*worker-1: Unschedulable",
    ),
    "claim": (
        shell("exit 0", checkpoint={"enabled": True, "storageClassName": "no-such-class"}),
        r"^worker-0: .*claim claim-checkpoints is Pending \(storage class no-such-class\): .*not found",
    ),
}
UNABLE: dict[str, tuple[Values, str]] = {
    "image": (shell("exit 0", image={"repository": "tensorflow-job.test/none"}), r"ErrImagePull|ImagePullBackOff"),
    "secret": (_missing_secret(), r'CreateContainerConfigError: secret "credentials" not found'),
    "init": (_failing_init_container(), r"InitContainerFailed: init container fetch exited 3: "),
}


@pytest.fixture(scope="module")
def installed(shared_jobs: Jobs) -> Callable[[str], Job]:
    """A job for each reason, side by side."""
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {f"requests.{TPU}": "0"}}}
    shared_jobs.namespace.create("resourcequotas", quota)
    for name, (values, _) in {**PENDING, **UNABLE}.items():
        deadlines = {"startSeconds": START, **({"unstartableSeconds": UNSTARTABLE} if name in UNABLE else {})}
        for container in values.get("initContainers", ()):
            container["image"] = shared_jobs.target.python_image
        shared_jobs.install({**values, "deadlines": deadlines}, name)
    return {job.name: job for job in shared_jobs.all}.__getitem__


@pytest.mark.parametrize("name", PENDING)
def test_a_pod_that_may_start_later_is_waited_for_with_the_reason_told(
    installed: Callable[[str], Job], name: str
) -> None:
    job = installed(name)
    job.wait_for_message(PENDING[name][1])
    assert job.phase == "Pending"
    assert not job.condition("Failed")


@pytest.mark.parametrize("name", UNABLE)
def test_a_pod_that_can_never_start_fails_the_job_with_the_reason(installed: Callable[[str], Job], name: str) -> None:
    job = installed(name)
    status = job.wait_ended("Failed", disturbed=True)
    assert status["reason"] == "PodsCannotStart"
    assert seconds_between(status["startTime"], status["completionTime"]) < START
    assert re.match(f"worker-0: ({UNABLE[name][1]}).*", status["message"])
    assert status["message"].endswith(f"(for {UNSTARTABLE} s, deadlines.unstartableSeconds)")


@pytest.mark.parametrize("name", PENDING)
def test_a_job_that_does_not_start_in_time_fails_with_the_reason(installed: Callable[[str], Job], name: str) -> None:
    job = installed(name)
    status = job.wait_ended("Failed", disturbed=True)
    assert status["reason"] == "StartDeadlineExceeded"
    prefix = re.escape(f"not all tasks ran within deadlines.startSeconds ({START} s): ")
    assert re.match(prefix + PENDING[name][1].removeprefix("^"), status["message"])
    assert START <= seconds_between(status["startTime"], status["completionTime"]) < START + 3
