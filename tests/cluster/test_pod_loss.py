"""Training pods are deleted or evicted: who was done stays done, all others go on, nothing is counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from hack.cluster.proxy import ApiError

from .conftest import Jobs
from .jobs import Job
from .programs import ROOT, shell

# Each start of a program leaves a line on the claim.
STARTS = 'echo $TASK_TYPE-$TASK_INDEX >> "$CHECKPOINT_DIR/starts"; '

OVERLAY = yaml.safe_load((ROOT / "values" / "disruption.yaml").read_text("utf-8"))
ONE, TWO, CLAIM = {"replicas": 1}, {"replicas": 2}, {"enabled": True}

VALUES = {
    "finished": shell(
        STARTS + "test $TASK_INDEX = 1 && { echo trained; exit 0; }; wait_for end",
        worker=TWO,
        checkpoint=CLAIM,
        completion={"successPolicy": "AllWorkers"},
    ),
    "evicted": shell(
        STARTS + 'test $TASK_TYPE = chief || sleep 600; wait_for end; echo "the last words"',
        chief=ONE,
        worker=TWO,
        ps=ONE,
        checkpoint=CLAIM,
    ),
    "overlay": shell("test $TASK_TYPE = chief || sleep 600; wait_for end", chief=ONE, worker=ONE, ps=ONE, **OVERLAY),
    "saves": shell(
        STARTS + 'trap "echo saved; exit 0" TERM; while ! test -e $HOME/end; do sleep 0.1; done', checkpoint=CLAIM
    ),
}


@pytest.fixture(scope="module")
def installed(shared_jobs: Jobs) -> Callable[[str], Job]:
    """All of them, side by side."""
    return shared_jobs.ahead(VALUES)


def test_a_worker_that_finished_does_not_train_again_in_a_new_pod(installed: Callable[[str], Job]) -> None:
    job = installed("finished")
    job.wait_until("worker-1 has succeeded", lambda: job.status.get("succeeded") == {"worker": "1"})
    job.wait_for_log("worker-1", "worker-1 is done: its program exited 0. Nothing runs here")
    old = job.delete_pod("worker-1")
    job.wait_for_new_pod("worker-1", old)
    job.wait_for_log("worker-1", "worker-1 is done: its program exited 0 in an earlier pod. Nothing runs here")
    assert job.phase == "Running"
    assert "trained" not in job.log("worker-1")
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded")
    assert status["succeeded"] == {"worker": "0-1"}
    assert (status["failures"], status["restarts"]) == (0, 0)
    assert sorted(_starts(job)) == ["worker-0", "worker-1"]


def test_all_pods_are_evicted_at_once_as_when_a_node_is_drained_and_the_job_still_ends_right(
    installed: Callable[[str], Job],
) -> None:
    job = installed("evicted")
    job.wait_running()
    tasks = {task: pod["metadata"]["uid"] for task, pod in job.pods.items()}
    for task in tasks:
        job.wait_for_log(task, f"{task} runs")
    controller = job.lifecycle_pods[-1]["metadata"]["uid"]
    for pod in [*job.pods.values(), *job.lifecycle_pods]:
        _evict(job, pod["metadata"]["name"])
    for task, uid in tasks.items():
        job.wait_for_new_pod(task, uid)
        job.wait_for_log(task, f"{task} runs")
    job.wait_for_other_controller(controller)
    job.tell("chief-0", "end")
    status = job.wait_ended("Succeeded")
    assert status["message"] == "chief-0 exited 0"
    assert status["failures"] == 0
    assert "the last words" in job.tail()
    assert sorted(_starts(job)) == sorted([*tasks, *tasks])


def test_with_the_overlay_a_drain_waits_for_a_parameter_server_and_moves_a_worker(
    installed: Callable[[str], Job],
) -> None:
    job = installed("overlay")
    job.wait_running()

    def counted() -> bool:
        (budget,) = job.namespace.list("poddisruptionbudgets")
        return bool(budget.get("status", {}).get("expectedPods") == 2)

    job.wait_until("the budget knows chief and ps", counted)
    with pytest.raises(ApiError, match=r"(?s)^429: .*disruption budget"):
        _evict(job, f"{job.name}-ps-0")
    worker = job.pods["worker-0"]["metadata"]["uid"]
    _evict(job, f"{job.name}-worker-0")
    job.wait_for_new_pod("worker-0", worker)
    job.wait_running()
    job.tell("chief-0", "end")
    job.wait_ended("Succeeded", disturbed=True)


def test_a_program_that_ends_well_when_it_is_asked_to_is_run_again_since_it_may_not_be_done(
    installed: Callable[[str], Job],
) -> None:
    job = installed("saves")
    job.wait_running()
    old = job.delete_pod("worker-0")
    job.wait_for_new_pod("worker-0", old)
    job.wait_for_log("worker-0", "worker-0 runs sh")
    assert "succeeded" not in job.status
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded")
    assert status["failures"] == 0
    assert _starts(job) == ["worker-0", "worker-0"]


def _starts(job: Job) -> list[str]:
    return job.in_volume(f"cat /checkpoints/{job.name}/starts").split()


def _evict(job: Job, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": job.namespace.name}}
    job.namespace.create("pods", body, "eviction")
