"""The training pod: its command, image, tolerations and labels."""

from __future__ import annotations

import pytest

from .helm import PROGRAM, Values, merged, render

ONE = {"replicas": 1}
STATE = "/tensorflow-job-state"


def test_the_command_of_a_task() -> None:
    rendered = render(merged(PROGRAM, {"terminationGracePeriodSeconds": 90}))
    run = rendered.job_spec()["runId"]
    assert rendered.container_of("ps")["command"] == [
        "python3",
        "-S",
        "/tensorflow-job/lib/tensorflow_job/task",
        "run",
        "--role=ps",
        f"--run-id={run}",
        "--grace=90",
        "--config=/tensorflow-job/config",
        f"--state={STATE}",
        "--progress=2223",
    ]
    assert rendered.pod_of("ps")["terminationGracePeriodSeconds"] == 90


def test_a_wrapped_python_starts_the_task() -> None:
    rendered = render(merged(PROGRAM, {"python": ["conda", "run", "python"], "ps": {"python": ["python3.6"]}}))
    assert rendered.container_of("worker")["command"][:5] == [
        "conda",
        "run",
        "python",
        "-S",
        "/tensorflow-job/lib/tensorflow_job/task",
    ]
    assert rendered.container_of("ps")["command"][:3] == ["python3.6", "-S", "/tensorflow-job/lib/tensorflow_job/task"]


def test_the_python_of_the_lifecycles_image_starts_the_task() -> None:
    image, resources = (
        {"repository": "team/python", "tag": "3.13"},
        {"limits": {"memory": "1Gi", "aliyun.com/gpu-mem": 3}},
    )
    own = {"pythonFrom": "LifecycleImage", "resources": resources, "podSecurityContext": {}, "securityContext": {}}
    values: Values = {
        "strategy": "Custom",
        "lifecycle": {"image": image},
        "worker": {"replicas": 1, **own},
        "chief": ONE,
    }
    rendered = render(merged(PROGRAM, values))
    folder = "/tensorflow-job/python"
    start = [f"{folder}/ld.so", "--library-path", f"{folder}/lib", f"{folder}/bin/python3", "-I", "-B", "-S"]
    container = rendered.container_of("worker")
    assert container["command"][:8] == [*start, "/tensorflow-job/lib/tensorflow_job/task"]
    mount = {"name": "lifecycle-python", "mountPath": folder}
    assert {**mount, "readOnly": True} in container["volumeMounts"]
    pod = rendered.pod_of("worker")
    assert {"name": "lifecycle-python", "emptyDir": {"sizeLimit": "256Mi"}} in pod["volumes"]
    (init,) = pod["initContainers"]
    assert (init["image"], init["resources"]) == ("team/python:3.13", {"limits": {"memory": "1Gi"}})
    assert mount in init["volumeMounts"]
    security = init["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"], security["readOnlyRootFilesystem"]) == (True, 1000, True)
    assert rendered.container_of("chief")["command"][0] == "python3"
    assert "initContainers" not in rendered.pod_of("chief")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "tensorflow/tensorflow:2.21.0"),
        ({"tag": "1.15.5"}, "tensorflow/tensorflow:1.15.5"),
        ({"registry": "nvcr.io", "repository": "nvidia/tensorflow", "tag": "24.03"}, "nvcr.io/nvidia/tensorflow:24.03"),
        ({"digest": "sha256:" + "0" * 64}, "tensorflow/tensorflow@sha256:" + "0" * 64),
        ({"tag": "1", "digest": "sha256:" + "0" * 64}, "tensorflow/tensorflow:1@sha256:" + "0" * 64),
        ({"repository": "localhost:5000/team/tf"}, "localhost:5000/team/tf:2.21.0"),
    ],
)
def test_the_image_reference(image: Values, expected: str) -> None:
    assert render(merged(PROGRAM, {"image": image})).container_of("chief")["image"] == expected


def test_pods_leave_a_lost_node_after_a_time_that_can_be_set() -> None:
    tolerations = render(PROGRAM).pod_of("worker")["tolerations"]
    assert {(item["key"], item["tolerationSeconds"]) for item in tolerations} == {
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    }
    assert not render(merged(PROGRAM, {"unreachableTolerationSeconds": None})).pod_of("worker")["tolerations"]


def test_no_autoscaler_moves_a_task_by_default() -> None:
    key = "cluster-autoscaler.kubernetes.io/safe-to-evict"
    template = render(PROGRAM).set_of("worker")["spec"]["template"]
    karpenter = "karpenter.sh/do-not-disrupt"
    assert template["metadata"]["annotations"] == {key: "false", karpenter: "true"}
    lifecycle = render(PROGRAM).one("Job")["spec"]["template"]["metadata"]
    assert {key: "false", karpenter: "true"}.items() <= lifecycle["annotations"].items()
    evictable = render(merged(PROGRAM, {"podAnnotations": {key: None, karpenter: None}})).set_of("worker")
    assert "annotations" not in evictable["spec"]["template"]["metadata"]


def test_a_topology_spread_constraint_gets_the_selector_of_its_role() -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    own = {**constraint, "labelSelector": {"matchLabels": {"a": "b"}}}
    rendered = render(merged(PROGRAM, {"topologySpreadConstraints": [constraint, own]}))
    for role in ("chief", "worker"):
        selector = rendered.set_of(role)["spec"]["selector"]
        assert rendered.pod_of(role)["topologySpreadConstraints"] == [{**constraint, "labelSelector": selector}, own]


def test_large_numbers_stay_whole() -> None:
    """Helm holds numbers of values files as floats, which it prints as 1e+09."""
    values = {
        "podSecurityContext": {"runAsUser": 1000650000},
        "deadlines": {"activeSeconds": 31536000},
        "run": 20240501,
    }
    rendered = render(merged(PROGRAM, values, {"terminationGracePeriodSeconds": 1000000}))
    assert rendered.pod_of("ps")["securityContext"]["runAsUser"] == 1000650000
    assert rendered.pod_of("ps")["terminationGracePeriodSeconds"] == 1000000
    assert "--grace=1000000" in rendered.container_of("ps")["command"]
    assert rendered.job_spec()["deadlines"]["activeSeconds"] == 31536000
    assert "--set run=20240502" in rendered.notes
