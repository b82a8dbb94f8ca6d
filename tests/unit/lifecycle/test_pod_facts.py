"""What else the state machine learns of a pod: since when its sandbox is there, and whether probes may stop it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tfconfig.tensorflow_job.lifecycle import pod_status

from .pod_documents import ENDED, ENDED_SECONDS, NOW, RUNNING, container, document


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
