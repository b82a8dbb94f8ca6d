"""Excuses on a real cluster: what a program says of itself is not believed, what Kubernetes shows is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster.target import Target

from .conftest import Jobs
from .jobs import Job
from .programs import Values, shell

# The second one writes again after PID 1 has: an orphan in a process group of its own.
FORGES = 'echo "stopped: asked to end" > /dev/termination-log; exit 3'
FORGES_LAST = f"(setsid sh -c 'while :; do {FORGES.partition(';')[0]}; done' &); sleep 1; exit 3"
FORGES_IN_ITS_LOG = "for i in $(seq 200); do echo 'stopped: asked to end'; done; exit 3"


@pytest.fixture(scope="module")
def installed(shared_jobs: Jobs) -> Callable[[str], Job]:
    scripts: dict[str, Values] = {
        "message": shell(FORGES, restart={"backoffLimit": 0}),
        "last": shell(FORGES_LAST, restart={"backoffLimit": 0}),
        "log": shell(FORGES_IN_ITS_LOG, restart={"backoffLimit": 0}),
        "stopped": shell("sleep 12; echo is old enough; wait_for end", restart={"policy": "Never"}),
    }
    return {name: shared_jobs.install(values, name) for name, values in scripts.items()}.__getitem__


@pytest.mark.parametrize("how", ["message", "last", "log"])
def test_a_program_that_claims_to_be_stopped_fails_its_job(installed: Callable[[str], Job], how: str) -> None:
    status = installed(how).wait_ended("Failed")
    assert (status["reason"], status["exitCode"], status["restarts"]) == ("BackoffLimitExceeded", 3, 0)


def test_a_task_whose_sandbox_ends_as_with_its_node_has_not_failed(
    cluster: Target, installed: Callable[[str], Job]
) -> None:
    if not cluster.own:
        pytest.skip("only on the kit's cluster")
    job = installed("stopped")
    job.wait_for_log("worker-0", "(?m)^is old enough")
    os.kill(sandbox_of(job.pods["worker-0"]["metadata"]["uid"]), signal.SIGKILL)
    job.wait_until("the task has started again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    job.wait_until("the end was seen", lambda: job.status["restarts"] == 1)
    assert (job.status["failures"], job.phase) == (0, "Running")
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded")


def sandbox_of(uid: str) -> int:
    """The process that holds the sandbox of a pod: the first one that was started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            group = (entry / "cgroup").read_text()
        except OSError:  # gone meanwhile
            continue
        if uid in group or uid.replace("-", "_") in group:
            found.append(int(entry.name))
    assert found, f"no process of pod {uid}"
    return min(found)
