"""GPUs and other resources of the training container."""

from __future__ import annotations

from .helm import CHART, PROGRAM, merged, render
from .kubernetes import NEWEST, assert_valid


def test_gpus_are_limits_and_requests_beside_the_roles_resources() -> None:
    own = {"requests": {"cpu": 2, "memory": "1.5Gi"}, "limits": {"memory": "2Gi"}}
    rendered = render(merged(PROGRAM, {"worker": {"gpus": 2, "resources": own}}))
    assert rendered.container_of("worker")["resources"] == {
        "requests": {"cpu": 2, "memory": "1.5Gi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "2Gi", "nvidia.com/gpu": "2"},
    }
    assert "resources" not in {k: v for k, v in rendered.container_of("ps").items() if v}
    assert rendered.container_of("worker")["env"] == []
    assert rendered.job_spec()["gpus"] == {"worker": 2}


def test_gpus_of_any_kind() -> None:
    rendered = render(
        merged(
            PROGRAM,
            {"gpuResource": "amd.com/gpu", "worker": {"gpus": 8}, "chief": {"gpus": 1, "gpuResource": "x.io/g"}},
        )
    )
    assert rendered.container_of("worker")["resources"]["limits"] == {"amd.com/gpu": "8"}
    assert rendered.container_of("chief")["resources"]["limits"] == {"x.io/g": "1"}


def test_stable_distributed_tensorflow_request_for_requests_cannot_come_back() -> None:
    """The archived chart wrote `resources.request`, which Kubernetes dropped in silence."""
    for gpus in (0, 1):
        container = render(
            merged(
                PROGRAM, {"worker": {"gpus": gpus, "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": 1}}}}
            )
        ).container_of("worker")
        assert set(container["resources"]) == {"limits", "requests"}
    source = "".join(file.read_text("utf-8") for file in (CHART / "templates").rglob("*.*"))
    assert "request:" not in source


def test_stable_distributed_tensorflow_trimmed_gpu_limit_cannot_come_back() -> None:
    """The archived chart trimmed the line break before its GPU limit, so that the line joined the one above it."""
    for limits in ({}, {"memory": "2Gi"}, {"cpu": 1, "memory": "2Gi"}):
        rendered = render(merged(PROGRAM, {"worker": {"gpus": 1, "resources": {"limits": limits}}}))
        assert rendered.container_of("worker")["resources"]["limits"] == {**limits, "nvidia.com/gpu": "1"}
        assert_valid(rendered.set_of("worker"), NEWEST)
