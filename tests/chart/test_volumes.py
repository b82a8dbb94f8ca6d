"""Volumes of the training pod: the chart's own, the program, checkpoints, data, shared memory."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st

from .helm import PROGRAM, merged, render

STATE = "/tensorflow-job-state"
SOME = hypothesis.settings(max_examples=50, deadline=None)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def test_configuration_status_and_state_are_mounted() -> None:
    rendered = render(PROGRAM, release="mnist")
    pod = rendered.pod_of("worker")
    mounts = {mount["mountPath"]: mount for mount in rendered.container_of("worker")["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes[mounts["/tensorflow-job/lib/tensorflow_job/task"]["name"]]["configMap"] == {"name": "mnist-task"}
    status = {"key": "status.json", "path": "status.json"}  # and not what else the lifecycle keeps there
    assert volumes[mounts["/tensorflow-job/config"]["name"]]["projected"]["sources"] == [
        {"configMap": {"name": "mnist-job"}},
        {"configMap": {"name": "mnist-status", "items": [status]}},
    ]
    assert volumes[mounts[STATE]["name"]]["emptyDir"] == {"sizeLimit": "10Gi"}
    assert [path for path, mount in mounts.items() if mount.get("readOnly")] == [
        "/tensorflow-job/lib/tensorflow_job/task",
        "/tensorflow-job/config",
    ]


@SOME
@hypothesis.given(ANY_TEXT)
def test_any_text_survives_in_the_program(text: str) -> None:
    rendered = render({"program": {"command": ["sh", text], "args": [text], "files": {"data.txt": text}}})
    assert rendered.job_spec()["program"] == {"command": ["sh", text], "args": [text]}
    assert rendered.one("ConfigMap", "digits-program")["data"] == {"data.txt": text}


def test_program_files_are_mounted_where_the_program_starts() -> None:
    container = render(merged(PROGRAM, {"program": {"files": {"train.py": "x"}}})).container_of("chief")
    assert container["workingDir"] == "/app"
    assert {"name": "program", "mountPath": "/app", "readOnly": True} in container["volumeMounts"]
    elsewhere = render(merged(PROGRAM, {"program": {"files": {"a": "x"}, "workingDir": "/src"}})).container_of("chief")
    assert elsewhere["workingDir"] == "/src"
    in_image = render(PROGRAM).container_of("chief")
    assert "workingDir" not in in_image
    removed = render(merged(PROGRAM, {"program": {"files": {"train.py": None}}}))
    assert removed.container_of("chief") == in_image
    assert "digits-program" not in [item["metadata"]["name"] for item in removed.all("ConfigMap")]


def test_program_files_can_be_run() -> None:
    pod = render(merged(PROGRAM, {"program": {"existingConfigMap": "mine"}})).pod_of("chief")
    assert {"name": "program", "configMap": {"name": "mine", "defaultMode": 0o555}} in pod["volumes"]


def test_checkpoints_are_mounted_in_every_pod() -> None:
    rendered = render(
        merged(PROGRAM, {"checkpoint": {"mountPath": "/models/", "existingClaim": "c", "directory": "a/b"}})
    )
    for role in ("chief", "worker", "ps"):
        mount = {"name": "checkpoints", "mountPath": "/models/a/b", "subPath": "a/b"}
        assert mount in rendered.container_of(role)["volumeMounts"]
        assert {"name": "checkpoints", "persistentVolumeClaim": {"claimName": "c"}} in rendered.pod_of(role)["volumes"]
    assert rendered.job_spec()["checkpointDir"] == "/models/a/b"


def test_data_volumes() -> None:
    data = {
        "digits": {"mountPath": "/data/digits", "existingClaim": "datasets", "subPath": "digits", "env": "DIGITS"},
        "scratch": {"mountPath": "/scratch", "volume": {"emptyDir": {"sizeLimit": "1Gi"}}, "readOnly": False},
        "gone": None,
    }
    rendered = render(merged(PROGRAM, {"data": data}))
    container, pod = rendered.container_of("ps"), rendered.pod_of("ps")
    assert container["volumeMounts"][-2:] == [
        {"name": "data-digits", "mountPath": "/data/digits", "readOnly": True, "subPath": "digits"},
        {"name": "data-scratch", "mountPath": "/scratch", "readOnly": False},
    ]
    assert pod["volumes"][-2:] == [
        {"name": "data-digits", "persistentVolumeClaim": {"claimName": "datasets"}},
        {"name": "data-scratch", "emptyDir": {"sizeLimit": "1Gi"}},
    ]
    assert {"name": "DIGITS", "value": "/data/digits"} in container["env"]


def test_shared_memory() -> None:
    rendered = render(merged(PROGRAM, {"worker": {"shmSize": "8Gi"}}))
    volume = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}
    assert volume in rendered.pod_of("worker")["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in rendered.container_of("worker")["volumeMounts"]
    assert volume not in rendered.pod_of("ps")["volumes"]
