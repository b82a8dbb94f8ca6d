"""What the tool says of jobs in the queues of Kueue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.tool.cluster.documents import CONTROLLER, NOW, RUN, documents, pod, time
from tfconfig.cluster import job_text
from tfconfig.cluster.job_view import view
from tfconfig.cluster.kubectl import Object
from tfconfig.cluster.queues import condition_message, workload_name
from tfconfig.tensorflow_job.lifecycle.state import PENDING, RESTARTING, State

WAITS = State(run_id=RUN, phase=PENDING, message="in queue nosuch of Kueue", started=NOW - 60)


def held(task: str, gate: str = "kueue.x-k8s.io/admission") -> Object:
    gated = pod(task, state={}, phase="Pending")
    gated["spec"]["schedulingGates"] = [{"name": gate}]
    gated["metadata"]["labels"]["kueue.x-k8s.io/pod-group-name"] = "digits-0123456789"
    return gated


def test_the_workload_of_pods_that_kueue_holds() -> None:
    assert workload_name([pod("ps-0"), held("worker-0")]) == "digits-0123456789"
    assert workload_name([pod("ps-0"), held("worker-0", "other.example/gate")]) == ""


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ([], ""),
        ([{"type": "QuotaReserved", "status": "True", "message": "reserved"}], ""),
        (
            [{"type": "QuotaReserved", "status": "False", "message": "LocalQueue nosuch doesn't exist"}],
            "LocalQueue nosuch doesn't exist",
        ),
    ],
)
def test_the_condition_of_a_workload(conditions: list[dict[str, Any]], text: str) -> None:
    assert condition_message({"status": {"conditions": conditions}}) == text


@pytest.mark.parametrize(
    ("admitted", "checks", "text"),
    [
        (
            False,
            [{"name": "nodes", "state": "Pending", "message": "Provisioning Request is pending"}],
            "has its quota, waits for admission checks: nodes is Pending (Provisioning Request is pending)",
        ),
        (
            False,
            [{"name": "nodes", "state": "Ready"}, {"name": "far", "state": "Pending", "message": ""}],
            "has its quota, waits for admission checks: far is Pending",
        ),
        (False, [{"name": "nodes", "state": "Ready"}], ""),
        (True, [{"name": "nodes", "state": "Pending"}], ""),
    ],
)
def test_a_workload_with_quota_that_waits_for_admission_checks(
    admitted: bool, checks: list[dict[str, Any]], text: str
) -> None:
    conditions = [{"type": "QuotaReserved", "status": "True"}, {"type": "Admitted", "status": str(admitted)}]
    assert condition_message({"status": {"conditions": conditions, "admissionChecks": checks}}) == text


def test_what_only_the_workload_says_is_a_line_of_the_status() -> None:
    objects = replace(documents(WAITS, [held("worker-0")]), queue_message="LocalQueue nosuch doesn't exist")
    lines = [line.split(None, 1) for line in job_text.job(view(objects, NOW), NOW, 80)]
    assert ["queue", "LocalQueue nosuch doesn't exist"] in lines
    assert view(replace(objects, queue_message="queue nosuch"), NOW).queue_message == "", "the message has it already"


@pytest.mark.parametrize(
    ("labels", "by"),
    [
        ({"kueue.x-k8s.io/queue-name": "training"}, "until Kueue admits it to queue training"),
        ({}, "by its spec.suspend"),
    ],
)
def test_a_lifecycle_job_that_is_suspended(labels: dict[str, str], by: str) -> None:
    job = {"metadata": {"name": CONTROLLER, "labels": labels}, "spec": {"suspend": True}, "status": {}}
    message = view(documents(None, jobs=[job]), NOW).lifecycle_message
    assert message == f"Job {CONTROLLER} is suspended {by}; see why: kubectl describe job/{CONTROLLER}"


def test_a_task_that_does_not_run_has_no_speed_and_no_time_left() -> None:
    progress = {"step": 10, "total": 20, "loss": None, "rate": 5.0, "task": "chief-0", "time": time(NOW)}
    objects = documents(replace(WAITS, phase=RESTARTING), [held("chief-0")], {"progress": progress})
    line = next(line for line in job_text.job(view(objects, NOW), NOW, 80) if "step 10" in line)
    assert line.endswith("step 10 of 20 (50 %)")
