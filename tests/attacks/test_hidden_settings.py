"""A job's author sets in another place what the platform's policy looks at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tool.commands.test_commands import run

JOB = """\
program: {command: [python3, train.py]}
image: {registry: registry.example.com, repository: vision/train, tag: "1.4"}
lifecycle: {image: {registry: registry.example.com}}
podLabels: {cost-centre: "4711"}
worker: {replicas: 4, gpus: 2}
"""
OURS = {"required": ["registry"], "properties": {"registry": {"const": "registry.example.com"}}}
POD = {
    "required": ["volumes", "containers"],
    "properties": {
        "volumes": {"items": {"propertyNames": {"enum": ["name", "emptyDir", "persistentVolumeClaim"]}}},
        "initContainers": {"maxItems": 0},
        "serviceAccountName": {"const": "default"},
        "tolerations": {"items": {"properties": {"key": {"const": "nvidia.com/gpu"}}, "required": ["key"]}},
    },
}
LABELS = {"required": ["cost-centre"], "properties": {"cost-centre": {"pattern": "^[0-9]{4}$"}}}
POLICY = {
    "required": ["roles", "totals", "images"],
    "properties": {
        "roles": {"additionalProperties": {"properties": {"pod": POD, "podLabels": LABELS, "image": OURS}}},
        "totals": {"properties": {"gpus": {"maximum": 32}, "pods": {"maximum": 40}, "unknownClaims": {"maximum": 0}}},
        "images": {"items": OURS},
    },
}
CLAIM = "resources: {limits: {example.com/npu: 40}, requests: {example.com/npu: 40}}"
CLAIMS = "podSpec: {resourceClaims: [{name: gpus, resourceClaimTemplateName: eight}]}"
DRA = (
    "extraObjects: {eight: {apiVersion: resource.k8s.io/v1, kind: ResourceClaimTemplate, metadata: {name: eight}, "
    "spec: {spec: {devices: {requests: [%s]}}}}}"
)
HIDDEN = {
    "no registry": ("image: {registry: null}", "images"),
    "a registry in the repository": ("image: {registry: '', repository: evil.example/x}", "images"),
    "a registry of a role": ("worker: {image: {registry: evil.example}}", "images"),
    "a registry of a role without one": ("worker: {image: {registry: null}}", "images"),
    "the lifecycle's image, which has the token": ("lifecycle: {image: {registry: null}}", "images"),
    "the image of TensorBoard": ("tensorboard: {enabled: true}", "images"),
    "the image of a container": ("extraContainers: [{name: x, image: evil.example/x}]", "images"),
    "the image of a container of a role": ("ps: {extraContainers: [{name: x, image: busybox}]}", "images"),
    "the image of an init container in podSpec": ("podSpec: {initContainers: [{name: x, image: busybox}]}", "images"),
    "the image of a volume": ("extraVolumes: [{name: x, image: {reference: evil.example/x}}]", "images"),
    "a label that a role removes": ("worker: {podLabels: {cost-centre: null}}", "podLabels"),
    "a label that is removed": ("podLabels: {cost-centre: null}", "podLabels"),
    "a folder of the node as data": ("data: {x: {mountPath: /x, volume: {hostPath: {path: /}}}}", "hostPath"),
    "a folder of the node": ("extraVolumes: [{name: x, hostPath: {path: /}}]", "hostPath"),
    "a folder of the node of a role": ("worker: {extraVolumes: [{name: x, hostPath: {path: /}}]}", "hostPath"),
    "a folder of the node in podSpec": ("podSpec: {volumes: [{name: x, hostPath: {path: /}}]}", "hostPath"),
    "a folder of the node in podSpec of a role": (
        "ps: {podSpec: {volumes: [{name: x, hostPath: {path: /}}]}}",
        "hostPath",
    ),
    "a service account in podSpec": ("podSpec: {serviceAccountName: admin}", "serviceAccountName"),
    "a toleration in podSpec": ("podSpec: {tolerations: [{operator: Exists}]}", "tolerations"),
    "GPUs of many workers": ("worker: {replicas: 17}", "totals.gpus"),
    "GPUs of another role": ("ps: {replicas: 30, gpus: 8}", "totals.gpus"),
    "GPUs as resources": (f"worker: {{gpus: 0, {CLAIM}}}", "totals.gpus"),
    "GPUs of a container beside": (f"extraContainers: [{{name: x, image: a.b/c, {CLAIM}}}]", "totals.gpus"),
    "GPUs of an init container": (f"podSpec: {{initContainers: [{{name: x, image: a.b/c, {CLAIM}}}]}}", "totals.gpus"),
    "GPUs by claims": (f"{CLAIMS}\n{DRA % '{exactly: {deviceClassName: gpu.example.com, count: 8}}'}", "totals.gpus"),
    "GPUs by older claims": (f"{CLAIMS}\n{DRA % '{deviceClassName: gpu.example.com, count: 8}'}", "totals.gpus"),
    "all GPUs of a node": (
        f"{CLAIMS}\n{DRA % '{exactly: {deviceClassName: gpu.example.com, allocationMode: All}}'}",
        "totals.unknownClaims",
    ),
    "claims of templates on the cluster": (CLAIMS, "totals.unknownClaims"),
    "many pods": ("ps: {replicas: 100}", "totals.pods"),
}


def violations(folder: Path, *texts: str, policy: Any = POLICY, options: tuple[str, ...] = ()) -> list[Any]:
    (folder / "policy.json").write_text(json.dumps(policy), "utf-8")
    files = [folder / f"{number}.yaml" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, "utf-8")
    named = [word for file in files for word in ("-f", str(file))]
    result = run("validate", "--policy", folder / "policy.json", "-o", "json", *options, *named)
    return [item for item in json.loads(result.stdout)["diagnostics"] if item["rule"].startswith("TFC4")]


def test_job_that_keeps_to_the_policy_passes(tmp_path: Path) -> None:
    assert violations(tmp_path, JOB) == []


@pytest.mark.parametrize(("text", "where"), HIDDEN.values(), ids=HIDDEN)
def test_policy_sees_the_job_however_it_is_written(text: str, where: str, tmp_path: Path) -> None:
    found = violations(tmp_path, JOB, text + "\n")
    assert [item for item in found if where in item["path"] or where in item["message"]], found
    assert {Path(item["file"]).name for item in found} <= {"0.yaml", "1.yaml"}


def test_violation_stands_at_the_line_that_causes_it(tmp_path: Path) -> None:
    found = violations(tmp_path, JOB, "# a job\nworker:\n  image:\n    registry: evil.example\n")
    assert {(Path(item["file"]).name, item["line"]) for item in found} == {("1.yaml", 4)}


def test_wrong_values_do_not_hide_the_job(tmp_path: Path) -> None:
    found = violations(tmp_path, JOB, "extraVolumes: [x]\n", policy={**POLICY, "mayIgnore": ["TFC"]})
    assert [item["rule"] for item in found if item["rule"] == "TFC401"] == ["TFC401"]


def test_policy_about_rendered_objects_is_not_passed_without_them(tmp_path: Path) -> None:
    policy = {"properties": {"objects": {"propertyNames": {"pattern": "^Job/"}}}, "mayIgnore": ["TFC"]}
    found = violations(tmp_path, JOB, policy=policy, options=("--ignore", "TFC4"))
    assert [(item["rule"], item["severity"]) for item in found] == [("TFC401", "error")]
    assert "add --rendered" in found[0]["message"] + found[0]["fix"]


def test_without_helm_rendered_objects_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "job.yaml").write_text(JOB, "utf-8")
    result = run("validate", "--rendered", "--exit-zero", "--ignore", "TFC", tmp_path / "job.yaml")
    assert (result.exit_code, "helm is not on PATH" in result.stderr) == (2, True)
