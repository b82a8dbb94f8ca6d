"""Jobs of one team share a claim: the program of one job does not see the folder of another."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import PROGRAM, RefusedError, Rendered, Values, merged, render
from tests.chart.kubernetes import restricted_violations

SHARED: Values = {"checkpoint": {"existingClaim": "team"}}
BOARD: Values = {"tensorboard": {"enabled": True}}
EVALUATOR: Values = {"evaluator": {"replicas": 1}}


def pods(rendered: Rendered) -> list[dict[str, Any]]:
    """The specs of all pods of a job."""
    kinds = ("StatefulSet", "Deployment", "Job")
    return [item["spec"]["template"]["spec"] for kind in kinds for item in rendered.all(kind)]


def mounts(pod: dict[str, Any], claim: str) -> list[tuple[str, str, bool]]:
    """Container, folder ("": all of it) and whether it is read-only, of each mount of a claim."""
    names = [
        volume["name"] for volume in pod["volumes"] if volume.get("persistentVolumeClaim", {}).get("claimName") == claim
    ]
    return [
        (container["name"], mount.get("subPath", ""), bool(mount.get("readOnly")))
        for container in [*pod.get("initContainers", ()), *pod["containers"]]
        for mount in container["volumeMounts"]
        if mount["name"] in names
    ]


@pytest.mark.parametrize(("directory", "folder"), [("", "digits"), ("runs/one", "runs/one")])
def test_a_program_gets_the_folder_of_its_job_alone(directory: str, folder: str) -> None:
    rendered = render(merged(PROGRAM, SHARED, EVALUATOR, {"checkpoint": {"directory": directory}}))
    for role in ("chief", "worker", "ps", "evaluator"):
        found = mounts(rendered.pod_of(role), "team")
        assert found == [("checkpoint-folder", "", False), ("tensorflow", folder, False)]
        assert {
            "name": "checkpoints",
            "mountPath": f"/checkpoints/{folder}",
            "subPath": folder,
        } in rendered.container_of(role)["volumeMounts"]
    assert rendered.job_spec()["checkpointDir"] == f"/checkpoints/{folder}"


def test_what_sees_the_whole_claim_is_not_the_image_of_the_program() -> None:
    values = merged(PROGRAM, SHARED, {"image": {"repository": "users/image"}, "worker": {"image": {"tag": "evil"}}})
    for role in ("chief", "worker", "ps"):
        (init,) = render(values).pod_of(role)["initContainers"]
        assert init["image"] == "python:3.13-slim"
        assert init["command"][-4:] == ["folder", "make", "/volume", "digits"]


def test_where_only_the_image_names_its_user_the_folder_is_made_by_that_user() -> None:
    anybody: Values = {"podSecurityContext": {"runAsUser": None}}
    (init,) = render(merged(PROGRAM, SHARED, anybody)).pod_of("worker")["initContainers"]
    assert init["image"].startswith("tensorflow/tensorflow:")
    for named in ({"securityContext": {"runAsUser": 5}}, {"podSpec": {"securityContext": {"runAsUser": 5}}}):
        (init,) = render(merged(PROGRAM, SHARED, anybody, named)).pod_of("worker")["initContainers"]
        assert init["image"] == "python:3.13-slim"


def test_the_init_container_changes_neither_what_the_pod_needs_nor_its_class() -> None:
    amounts = {"cpu": "2", "memory": "4Gi"}
    resources = {"limits": {**amounts, "aliyun.com/gpu-mem": 3}, "requests": amounts}
    mine = {"name": "mine", "image": "i"}
    values: Values = {"worker": {"gpus": 2, "resources": resources, "initContainers": [mine]}}
    pod = render(merged(PROGRAM, SHARED, values)).pod_of("worker")
    first, second = pod["initContainers"]
    assert first["resources"] == {"limits": amounts, "requests": amounts}
    assert second == mine
    assert restricted_violations({**pod, "initContainers": [first]}) == []


@pytest.mark.parametrize("values", [{}, {"checkpoint": {"existingClaim": "team", "directory": "."}}])
def test_the_whole_volume_is_for_those_who_own_it_or_say_so(values: Values) -> None:
    rendered = render(merged(PROGRAM, values))
    claim = rendered.job_spec()["checkpointClaim"]
    assert mounts(rendered.pod_of("worker"), claim) == [("tensorflow", "", False)]
    assert "initContainers" not in rendered.pod_of("worker")
    assert rendered.job_spec()["checkpointDir"] == ("/checkpoints" if values else "/checkpoints/digits")


def test_the_folder_of_another_job_is_read_through_a_second_mount() -> None:
    """Not a second volume: pods that have one claim twice do not start with every storage driver."""
    data: Values = {
        "data": {"base": {"mountPath": "/base", "existingClaim": "team", "subPath": "other", "env": "BASE"}}
    }
    rendered = render(merged(PROGRAM, SHARED, data))
    pod = rendered.pod_of("worker")
    assert mounts(pod, "team")[1:] == [("tensorflow", "digits", False), ("tensorflow", "other", True)]
    assert [volume["name"] for volume in pod["volumes"]].count("checkpoints") == 1
    assert "data-base" not in [volume["name"] for volume in pod["volumes"]]
    apart = render(merged(PROGRAM, data, {"checkpoint": {"enabled": False}})).pod_of("worker")
    assert mounts(apart, "team") == [("tensorflow", "other", True)]


@pytest.mark.parametrize(
    ("values", "folder", "path"),
    [
        ({}, "digits", "/checkpoints/digits"),
        (SHARED, "digits", "/checkpoints/digits"),
        ({"tensorboard": {"directory": "a/b"}}, "a/b", "/checkpoints/a/b"),
        ({"checkpoint": {"directory": "c"}}, "c", "/checkpoints/c"),
    ],
)
def test_tensorboard_mounts_what_it_shows_and_cannot_write(values: Values, folder: str, path: str) -> None:
    rendered = render(merged(PROGRAM, BOARD, values))
    pod = rendered.one("Deployment")["spec"]["template"]["spec"]
    claim = rendered.job_spec()["checkpointClaim"]
    assert mounts(pod, claim) == [("checkpoint-folder", "", True), ("tensorboard", folder, True)]
    assert pod["initContainers"][0]["command"][-4:] == ["folder", "await", "/volume", folder]
    (container,) = pod["containers"]
    assert f"--logdir={path}" in container["command"]
    assert {"name": "checkpoints", "mountPath": path, "subPath": folder, "readOnly": True} in container["volumeMounts"]
    assert restricted_violations(pod) == []


def test_tensorboard_of_the_whole_volume() -> None:
    pod = render(merged(PROGRAM, BOARD, {"tensorboard": {"directory": "."}})).one("Deployment")["spec"]["template"][
        "spec"
    ]
    assert mounts(pod, "digits-checkpoints") == [("tensorboard", "", True)]
    assert "initContainers" not in pod


@pytest.mark.parametrize("directory", ["..", "../other", "a/../b", "./a", "a/.", "/", "/a", "a//b", "a/"])
def test_no_other_name_leads_out_of_the_folder(directory: str) -> None:
    with pytest.raises(RefusedError):
        render(merged(PROGRAM, SHARED, {"checkpoint": {"directory": directory}}))
