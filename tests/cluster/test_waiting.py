"""Pods that cannot start: the status says why in Kubernetes' words, and in the end the job fails and holds nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from .conftest import Jobs
from .jobs import Job, seconds_between
from .programs import Values, shell

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
        r"^worker-0, worker-1: Unschedulable: .*Insufficient nvidia.com/gpu",
    ),
    "claim": (
        shell("exit 0", checkpoint={"enabled": True, "storageClassName": "no-such-class"}),
        r"^worker-0: .*claim claim-checkpoints is Pending \(storage class no-such-class\): .*not found",
    ),
}
UNABLE: dict[str, tuple[Values, str]] = {
    "image": (shell("exit 0", image={"repository": "tensorflow-job.test/none"}), r"ErrImagePull|ImagePullBackOff"),
    "secret": (_missing_secret(), r'CreateContainerConfigError: secret "credentials" not found'),
    "python": (
        shell("exit 0", python=["python9"]),
        r'StartError: exec: "python9": executable file not found in \$PATH; set `python` to a Python 3 of the image',
    ),
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
def test_a_pod_that_may_start_later_is_waited_for_with_the_reason_reported(
    installed: Callable[[str], Job], name: str
) -> None:
    job = installed(name)
    job.wait_for_message(PENDING[name][1])
    assert job.phase == "Pending"
    assert not job.condition("Failed")


def test_tasks_held_by_a_scheduling_gate_wait_for_it_to_open(jobs: Jobs) -> None:
    """As Kueue holds them while its queue has no room, and lets them in by taking the gate away."""
    deadlines = {"unstartableSeconds": UNSTARTABLE}
    job = jobs.new()
    job.install(shell("wait_for end", worker={"replicas": 2}, deadlines=deadlines, suspend=True))
    gates = {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}
    api, namespace = jobs.namespace.api, jobs.namespace.name
    api.patch("statefulsets", namespace, f"{job.name}-worker", {"spec": {"template": {"spec": gates}}})
    job.upgrade("--reuse-values", "--set", "suspend=false")
    job.wait_for_message("^worker-0, worker-1: SchedulingGated: ")
    since = time.time()
    job.wait_until("that is no reason to fail", lambda: time.time() > since + 2 * UNSTARTABLE)
    assert job.phase == "Pending"
    for pod in job.pods.values():
        api.patch("pods", namespace, pod["metadata"]["name"], {"spec": {"schedulingGates": None}})
    job.wait_running()
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)


@pytest.mark.parametrize("name", UNABLE)
def test_a_pod_that_can_never_start_fails_the_job_with_the_reason(installed: Callable[[str], Job], name: str) -> None:
    job = installed(name)
    status = job.wait_ended("Failed", disturbed=True)
    assert status["reason"] == "PodsCannotStart"
    assert re.match(f"worker-0: ({UNABLE[name][1]}).*", status["message"])
    assert status["message"].endswith(f"(for {UNSTARTABLE} s, deadlines.unstartableSeconds)")


@pytest.mark.parametrize("name", PENDING)
def test_a_job_that_does_not_start_in_time_fails_with_the_reason(installed: Callable[[str], Job], name: str) -> None:
    job = installed(name)
    status = job.wait_ended("Failed", disturbed=True)
    assert status["reason"] == "StartDeadlineExceeded"
    prefix = re.escape(f"not all tasks ran within deadlines.startSeconds ({START} s): ")
    assert re.match(prefix + PENDING[name][1].removeprefix("^"), status["message"])
    assert seconds_between(status["startTime"], status["completionTime"]) >= START


def test_without_a_lifecycle_one_pod_of_a_role_waits_and_trains_nothing(jobs: Jobs) -> None:
    """When it is refused at the install, and when it is refused at a resume."""
    jobs.namespace.create(
        "resourcequotas",
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "cpu"},
            "spec": {"hard": {"limits.cpu": "2"}},
        },
    )
    job = jobs.new()
    values = shell("echo trains", worker={"replicas": 2}, resources={"limits": {"cpu": "100m"}})
    refused = {**values, "lifecycle": {"resources": {"limits": {"cpu": 4}}}}
    job.install(refused)

    def says() -> bool:
        events = jobs.namespace.list("events", fieldSelector=f"involvedObject.name={job.name}-worker-0")
        return any('"lifecycle-status"' in event["message"] and "status.json" in event["message"] for event in events)

    job.wait_until("the pod says what it waits for", says)
    assert list(job.pods) == ["worker-0"]
    assert not job.lifecycle_pods
    assert job.log("worker-0") == ""
    job.upgrade(values={**values, "suspend": True})
    job.wait_for_phase("Suspended")
    job.wait_for_message("no pod is left")
    job.upgrade(values=refused)
    job.wait_until("the pod waits", lambda: "until the lifecycle has resumed the job" in job.log("worker-0"))
    assert list(job.pods) == ["worker-0"]
    assert "trains" not in job.log("worker-0")
    job.upgrade(values=values)
    job.wait_ended("Succeeded", disturbed=True)
