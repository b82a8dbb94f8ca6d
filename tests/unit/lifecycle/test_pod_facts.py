"""What else is read of a pod: when it has to be gone, since when its sandbox is there, whether probes may stop it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tfconfig.tensorflow_job.lifecycle import pod_status

from .pod_documents import ENDED, ENDED_SECONDS, NOW, RUNNING, container, document, terminated


@pytest.mark.parametrize(
    ("condition", "since"),
    [
        ([], 0.0),
        ([{"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": ENDED}], ENDED_SECONDS),
        ([{"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": ENDED}], math.inf),
    ],
)
def test_since_when_a_pod_has_its_sandbox(condition: list[dict[str, Any]], since: float) -> None:
    seen = pod_status.pod("mnist", document({"phase": "Running", "conditions": condition}), NOW)
    assert seen is not None
    assert seen.sandbox_since == since


@pytest.mark.parametrize("probe", ["livenessProbe", "startupProbe", "readinessProbe"])
def test_probes_that_stop_a_container_are_known(probe: str) -> None:
    made = document({"phase": "Running", "containerStatuses": [container(RUNNING)]})
    made["spec"]["containers"] = [{"name": "mesh", "livenessProbe": {}}, {"name": "tensorflow", probe: {"exec": {}}}]
    seen = pod_status.pod("mnist", made, NOW)
    assert seen is not None
    assert seen.probed is (probe != "readinessProbe")


def test_a_deleted_pod_tells_when_it_has_to_be_gone() -> None:
    status = {"containerStatuses": [container(RUNNING)]}
    pod = pod_status.pod("mnist", document(status, deletionTimestamp=ENDED), NOW)
    assert pod is not None
    assert (pod.deleted, pod.status) == (ENDED_SECONDS, "Running")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("mnist-worker-3", "chief"),
        ("mnist-worker-3", "driver"),
        ("mnist-worker-3x", "worker"),
        ("mnist-worker-", "worker"),
        ("other-worker-3", "worker"),
    ],
)
def test_pods_that_are_no_task_are_left_out(name: str, role: str) -> None:
    labels = {"tensorflow-job/role": role}
    assert pod_status.pod("mnist", document({}, name=name, labels=labels), NOW) is None


def test_long_messages_are_cut() -> None:
    status = {"containerStatuses": [container({"terminated": terminated(1, message="x" * 4096)})]}
    pod = pod_status.pod("mnist", document(status), NOW)
    assert pod is not None
    assert pod.current is not None
    assert len(pod.current.message) == pod_status.MAX_MESSAGE
