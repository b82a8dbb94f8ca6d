"""The example of a platform team: its chart, its policy, and a job of five lines."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart import helm

FOLDER = helm.CHART.parent / "examples" / "platform"
JOB = FOLDER / "job.yaml"


def read(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return values


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """The chart as `helm dependency build` leaves it."""
    chart = tmp_path / "platform"
    shutil.copytree(FOLDER, chart)
    shutil.copytree(helm.CHART, chart / "charts" / "tensorflow-job", ignore=shutil.ignore_patterns("__pycache__"))
    return chart


def test_job_has_five_lines() -> None:
    assert len(JOB.read_text("utf-8").splitlines()) == 5


def test_job_gets_the_team_s_defaults(built: Path) -> None:
    rendered = helm.render(read(JOB), chart=built)
    worker = rendered.container_of("worker")
    assert rendered.layout()["name"] == "digits-training"
    assert worker["image"] == "registry.example.com/vision/train:1.4"
    assert worker["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "2"}
    assert rendered.lifecycle()["serviceAccountName"] == "tensorflow-job"
    assert not rendered.all("Role")
    labels = rendered.set_of("worker")["spec"]["template"]["metadata"]["labels"]
    assert (labels["team"], labels["cost-centre"]) == ("vision", "4711")


@pytest.mark.parametrize("program", ["helm", "helm3", "helm4"])
def test_dependency_is_where_the_chart_says(program: str, tmp_path: Path) -> None:
    if not shutil.which(program):
        pytest.skip(f"no {program} here")
    shutil.copytree(FOLDER, tmp_path / "examples" / "platform")
    shutil.copytree(helm.CHART, tmp_path / "chart")
    chart = tmp_path / "examples" / "platform"
    subprocess.run([program, "dependency", "build", str(chart)], check=True, capture_output=True)
    assert helm.render(read(JOB), chart=chart, engine=program).layout()["name"] == "digits-training"


def test_policy_is_a_schema_with_messages() -> None:
    policy = json.loads((FOLDER / "policy.json").read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(policy)
    assert "errorMessage" in json.dumps(policy)
