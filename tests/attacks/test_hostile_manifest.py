"""What a manifest contains stays data: in the values, in their comments, on the terminal, and in the directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.attacks.test_terminal import HOSTILE, harmless
from tests.unit.tool.convert.cases import call
from tfconfig.checking.ignores import is_ignore
from tfconfig.values.chart import bundled
from tfconfig.values.helm_yaml import plain, read

LINES = ("\n", "\r", "\x85", "\u2028", "\u2029")


def manifest(text: str) -> str:
    """A TFJob that has a text wherever the converter may repeat it."""
    container = {"name": text, "image": text, "command": [text], "env": [{"name": "TF_CONFIG", "value": text}]}
    worker = {"restartPolicy": text, "template": {"spec": {"containers": [container], text: text}}}
    policy = {"cleanPodPolicy": text, "schedulingPolicy": {"queue": text, "priority": text}}
    metadata = {"name": text, "namespace": text, "labels": {text: text}, "annotations": {text: text}}
    spec = {"tfReplicaSpecs": {"Worker": worker, text: {}}, "runPolicy": policy, text: text}
    return yaml.safe_dump({"apiVersion": text, "kind": "TFJob", "metadata": metadata, "spec": spec})


def test_no_text_of_a_manifest_becomes_a_value_of_its_own() -> None:
    for end in LINES:
        result = call(manifest(f"x{end}hostKey: owned{end}# "))
        values = plain(read(result.stdout.encode(), "values.yaml").root)
        assert values["strategy"] == "Custom"
        assert values.keys() <= bundled().defaults.value.keys()


IGNORES = """\
# tfconfig: ignore[TFC307]
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: mnist}  # tfconfig: ignore
spec:
  tfReplicaSpecs:
    Worker:
      replicas: 2 # two are enough
      # hello #tfconfig:ignore[TFC308]
      template:
        spec:
          containers:
          - name: tensorflow
            image: x/y:1 # foo # tfconfig: ignore[TFC110]
            unknown: 3 # tfconfig: ignore[TFC308]
            env:
            - {name: API_TOKEN, value: hunter2} # tfconfig: ignore[TFC307] ours
"""


def test_no_comment_of_a_manifest_ignores_a_diagnostic_of_the_values() -> None:
    lines = call(IGNORES).stdout.splitlines()
    assert [line for line in lines if is_ignore(line)] == []
    assert "  replicas: 2  # two are enough" in lines


@pytest.mark.parametrize("text", ["# tfconfig: ignore[TFC307]", "x # tfconfig: ignore[TFC307]"])
def test_no_text_of_a_manifest_ignores_a_diagnostic_of_the_values(text: str) -> None:
    comments = [line for line in call(manifest(text)).stdout.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in comments if is_ignore(line)] == []


def test_the_report_drives_neither_terminal_nor_ci() -> None:
    result = call(manifest(HOSTILE))
    assert result.stderr
    assert [line for line in result.stderr.splitlines() if not harmless(line)] == []


def test_a_name_leads_to_no_other_directory(tmp_path: Path) -> None:
    result = call(
        manifest("../outside").replace("restartPolicy: ../outside", "restartPolicy: Never"),
        f"--directory {tmp_path / 'in'}",
    )
    assert result.exit_code == 2
    assert not (tmp_path / "outside.yaml").exists()


def job(replicas: object = 2) -> str:
    worker = {"replicas": replicas, "template": {"spec": {"containers": [{"name": "tensorflow", "image": "a"}]}}}
    kind = {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "metadata": {"name": "mnist"}}
    return json.dumps({**kind, "spec": {"tfReplicaSpecs": {"Worker": worker}}})


@pytest.mark.parametrize("replicas", ["9" * 5000, "\u00b2", "\u0663"])
def test_a_number_is_one_or_a_message(replicas: str) -> None:
    result = call(job(replicas))
    assert result.exit_code == 1
    assert "worker:" not in result.stdout


@pytest.mark.parametrize("user", ["\u00b2", "9" * 5000, "1000:\u00b2"])
def test_any_configuration_of_an_image_is_read(user: str, tmp_path: Path) -> None:
    config = {"config": {"User": user, "Env": [f"PYTHON_VERSION={'9' * 5000}.1"], "Entrypoint": ["python3"]}}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), "utf-8")
    assert call(job(), f"--image-config {file}").exit_code in (0, 1)


@pytest.mark.parametrize("key", ["Entrypoint", "Cmd", "Env"])
@pytest.mark.parametrize("value", [3, {"a": 1}, [None], [["python3"]]], ids=str)
def test_a_configuration_of_an_image_with_other_types_is_refused(key: str, value: object, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"config": {key: value}}), "utf-8")
    result = call(job(), f"--image-config {file}")
    assert result.exit_code == 2
    assert f"{key} is not a list of strings" in result.stderr


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "9" * 5000, "\ud800".encode("utf-8", "surrogatepass")], ids=["deep", "long", "no text"]
)
def test_a_configuration_of_an_image_that_is_no_json_is_refused(text: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert call(job(), f"--image-config {file}").exit_code == 2
