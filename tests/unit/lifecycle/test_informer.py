"""Sizes of sets, and the status ConfigMap, as the controller sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tfconfig.tensorflow_job.lifecycle import informer, pod_status
from tfconfig.tensorflow_job.lifecycle.state import Set


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ({"metadata": {"generation": 1}, "spec": {}, "status": {"replicas": 0}}, Set(1, 0, False)),
        (
            {
                "metadata": {"generation": 2},
                "spec": {"replicas": 0},
                "status": {"replicas": 3, "observedGeneration": 2},
            },
            Set(0, 3, True),
        ),
        (
            {"metadata": {"generation": 3}, "spec": {"replicas": 4}, "status": {"observedGeneration": 2}},
            Set(4, 0, False),
        ),
    ],
)
def test_sizes(document: dict[str, Any], size: Set) -> None:
    assert pod_status.size(document) == size


def test_status_annotations_and_data() -> None:
    notes = {"tensorflow-job/run-id": "r", "tensorflow-job/controller": "c", "tensorflow-job/suspend": "true"}
    data = {"status.json": "{}", "holder": "h"}
    labels = {"helm.sh/chart": "tensorflow-job-0.1.0-rc.1"}
    metadata = {"resourceVersion": "7", "annotations": notes, "labels": labels}
    read = informer.StatusObject.read({"metadata": metadata, "data": data})
    assert read == informer.StatusObject("7", "r", "c", True, "h", "{}", "0.1.0-rc.1")
    assert informer.StatusObject.read({"metadata": {"resourceVersion": "7"}}) == informer.StatusObject(
        "7", "", "", False, "", ""
    )
