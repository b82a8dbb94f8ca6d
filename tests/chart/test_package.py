"""The chart as it is published."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest
import yaml

from . import helm
from .helm import CHART, PROGRAM, Values, merged, render


@pytest.mark.parametrize("name", helm.ci_values())
def test_helm_lint_has_no_warnings(name: str) -> None:
    assert not helm.lint(helm.ci_values()[name])


def test_the_archive_has_what_the_chart_needs_and_no_more(tmp_path: Path) -> None:
    with tarfile.open(helm.package(tmp_path)) as archive:
        names = {name.removeprefix("tensorflow-job/") for name in archive.getnames()}
    parts = {"Chart.yaml", "README.md", ".helmignore", "values.yaml", "values.schema.json", "files/strategies.json"}
    parts.add("files/dashboard.json")
    parts |= {str(file.relative_to(CHART)) for file in (CHART / "templates").rglob("*.*")}
    parts |= {str(file.relative_to(CHART)) for file in (CHART / "files").rglob("*.py")}
    assert names == parts


def test_the_archive_renders_the_same(tmp_path: Path) -> None:
    assert render(PROGRAM, chart=helm.package(tmp_path)) == render(PROGRAM)


def test_what_artifact_hub_shows() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert about["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    for change in yaml.safe_load(about["annotations"]["artifacthub.io/changes"]):
        assert change["kind"] in ("added", "changed", "deprecated", "removed", "fixed", "security")
        assert change["description"]
    images = {item["name"]: item["image"] for item in yaml.safe_load(about["annotations"]["artifacthub.io/images"])}
    rendered = render(PROGRAM)
    assert images["training"] == rendered.container_of("worker")["image"]
    assert images["lifecycle"] == rendered.lifecycle()["containers"][0]["image"]


def test_the_default_image_has_the_tensorflow_of_the_chart() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert render(PROGRAM).container_of("worker")["image"] == f"tensorflow/tensorflow:{about['appVersion']}"


def test_an_empty_tag_is_the_default_tag() -> None:
    empty: Values = {"lifecycle": {"image": {"tag": ""}}, "tensorboard": {"enabled": True, "image": {"tag": ""}}}
    for rendered in (render(merged(PROGRAM, {"tensorboard": {"enabled": True}})), render(merged(PROGRAM, empty))):
        assert rendered.lifecycle()["containers"][0]["image"] == "python:3.13-slim"
        board = rendered.one("Deployment")["spec"]["template"]["spec"]["containers"][0]
        assert board["image"] == "tensorflow/tensorflow:2.20.0"


def test_the_readme_lists_metrics_and_labels_that_exist() -> None:
    code = (CHART / "files/lifecycle/metrics.py").read_text("utf-8")
    metrics = re.findall(r"tensorflow_job_(\w+)(?:\{([\w,]+)\})?", (CHART / "README.md").read_text("utf-8"))
    assert len(metrics) > 10
    for name, labels in metrics:
        for word in (name, *filter(None, labels.split(","))):
            assert f'"{word}"' in code, word
