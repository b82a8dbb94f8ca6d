"""GPUs are free for the next job as soon as one has ended: with an extended resource that the scheduler counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from hack.cluster.proxy import Api, Object

from .conftest import Jobs
from .measure import program_end
from .programs import shell

GPU = "nvidia.com/gpu"
GOAL = 5.0


@pytest.fixture
def four_gpus(api: Api) -> Iterator[None]:
    """The first node says that it has four GPUs."""
    node = api.get("nodes", "")["items"][0]
    if int(node["status"]["capacity"].get(GPU, "0")):
        pytest.skip("the node has GPUs of its own")
    name = node["metadata"]["name"]
    api.patch("nodes", "", name, {"status": {"capacity": {GPU: "4"}, "allocatable": {GPU: "4"}}}, "status")
    yield
    api.patch("nodes", "", name, {"status": {"capacity": {GPU: None}, "allocatable": {GPU: None}}}, "status")


@pytest.mark.usefixtures("four_gpus")
def test_a_job_that_waits_for_gpus_starts_within_seconds_of_the_end_of_the_one_that_holds_them(
    jobs: Jobs, note: Callable[[str], None]
) -> None:
    roles = {"worker": {"replicas": 3, "gpus": 1}, "ps": {"replicas": 1, "gpus": 1}}
    first = jobs.install(
        shell('test "$TASK_TYPE $TASK_INDEX" = "worker 0" || sleep 600; wait_for end', **roles), "first"
    )
    first.wait_running()
    assert {task: _gpus(pod) for task, pod in first.pods.items()} == dict.fromkeys(
        ("ps-0", "worker-0", "worker-1", "worker-2"), "1"
    )
    second = jobs.install(shell("sleep 2", **roles), "second")
    second.wait_for_message("worker-0.*: Unschedulable: .*Insufficient nvidia.com/gpu")
    assert second.phase == "Pending"
    first.tell("worker-0", "end")
    first.wait_for_phase("Succeeded")
    second.wait_running()
    running = time.time()
    first.wait_ended("Succeeded")
    ended = program_end(first)
    assert ended
    note(
        f"a job that waits for GPUs runs so long after the other's program: {running - ended:.1f} s (goal {GOAL:.0f} s)"
    )
    assert running - ended < 4 * GOAL
    second.wait_ended("Succeeded")


@pytest.mark.usefixtures("four_gpus")
def test_of_a_kept_job_the_tasks_with_gpus_go_and_their_last_lines_stay(jobs: Jobs) -> None:
    roles = {"worker": {"replicas": 2, "gpus": 2}, "ps": {"replicas": 1}}
    script = 'echo "words of $TASK_INDEX"; test "$TASK_TYPE $TASK_INDEX" = "worker 0" || sleep 600; wait_for end'
    first = jobs.install(shell(script, **roles, cleanup={"onSuccess": "Keep"}), "first")
    first.wait_running()
    first.wait_for_log("worker-1", "^words of 1")
    first.tell("worker-0", "end")
    first.wait_for_phase("Succeeded")
    first.wait_until("the tasks with GPUs are gone", lambda: set(first.pods) == {"ps-0"})
    first.wait_until("the Job is complete", lambda: first.condition("Complete"))
    _, _, lines = first.lifecycle_log().partition("last lines of worker-1, whose GPUs are freed:\n")
    of_freed, _, of_deciding = lines.partition("last lines of worker-0:\n")
    assert "  words of 1\n" in of_freed
    assert "  words of 0\n" in of_deciding
    second = jobs.install(shell("sleep 2", **roles), "second")
    second.wait_ended("Succeeded", disturbed=True)
    assert set(first.pods) == {"ps-0"}


def _gpus(pod: Object) -> str:
    limits: dict[str, str] = pod["spec"]["containers"][0]["resources"]["limits"]
    return limits[GPU]
