"""Jobs whose tasks take a device each, on a cluster that has four of them: for schedulers of whole jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hack.cluster.proxy import Api

from .conftest import Jobs
from .jobs import Job
from .programs import Values, digits, shell

DEVICE, DEVICES = "engines.test/gpu", 4
# Only the first worker ends by itself.
_PROGRAM = 'test "$TASK_TYPE $TASK_INDEX" = "worker 0" || exec sleep 600; wait_for end'


@contextmanager
def devices(api: Api) -> Iterator[None]:
    """The first node has the devices."""
    name = api.get("nodes", "")["items"][0]["metadata"]["name"]

    def offer(number: str | None) -> None:
        status = {key: {DEVICE: number} for key in ("capacity", "allocatable")}
        api.patch("nodes", "", name, {"status": status}, "status")

    offer(str(DEVICES))
    yield
    offer(None)


def of_devices(workers: int = 2, **values: Any) -> Values:
    """Values of a job of so many workers and one ps, each with a device."""
    roles = {"worker": {"replicas": workers, "gpus": 1}, "ps": {"replicas": 1, "gpus": 1}}
    return shell(_PROGRAM, **{"gpuResource": DEVICE, **roles, **values})


def one_of_two(jobs: Jobs, values: Values) -> tuple[Job, Job]:
    """Two jobs that are installed at the same time: the one that runs first, and the other."""
    both = [jobs.install(values, name) for name in ("one", "two")]
    first = jobs.namespace.wait_until(
        "one of them runs", lambda: next((job for job in both if job.phase == "Running"), None)
    )
    return first, next(job for job in both if job is not first)


def train_in_turn(jobs: Jobs, overlay: Values) -> None:
    """The digits example twice, with TensorFlow's own servers; there are devices for one of them."""
    values = digits(40, **overlay, gpuResource=DEVICE, worker={"replicas": 2, "gpus": 1}, ps={"replicas": 1, "gpus": 1})
    both = [jobs.install(values, name) for name in ("one", "two")]
    ended = [job.wait_ended("Succeeded", 240, disturbed=True) for job in both]
    first, second = sorted(ended, key=lambda status: status.get("queuedSeconds", 0))
    assert second["queuedSeconds"] > first.get("queuedSeconds", 0) + 5, "as long as the other trained"
    assert all("done: step 40" in job.tail() for job in both)


def started(job: Job) -> list[str]:
    """Tasks that have a node."""
    return [task for task, pod in job.pods.items() if pod["spec"].get("nodeName")]


def ends(job: Job) -> None:
    """Let a job end well."""
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)
