"""A job's author wants more of the example platform than it gives: its policy and its chart refuse each attempt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.attacks.platform import EVIL, JOB, Values
from tests.chart import helm
from tests.integrations.test_platform import CHECK, FOLDER
from tests.unit.tool.commands.test_commands import run


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chart = tmp_path_factory.mktemp("chart") / "platform"
    shutil.copytree(FOLDER, chart)
    shutil.copytree(helm.CHART, chart / "charts" / "tensorflow-job", ignore=shutil.ignore_patterns("__pycache__"))
    return chart


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_policy_refuses(evil: Values, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(json.dumps({"training": helm.merged(JOB, evil)}) + "\n", "utf-8")
    result = run(*CHECK, "-o", "json", tmp_path / "job.yaml")
    assert [item for item in json.loads(result.stdout)["diagnostics"] if item["rule"] == "TFC400"]


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_helm_itself_refuses(evil: Values, built: Path) -> None:
    with pytest.raises(helm.RefusedError, match="values don't meet the specifications of the schema"):
        helm.render({"training": helm.merged(JOB, evil)}, chart=built)


def test_only_the_policy_knows_the_total(tmp_path: Path, built: Path) -> None:
    values = {"training": helm.merged(JOB, {"worker": {"replicas": 8, "gpus": 8}})}
    (tmp_path / "job.yaml").write_text(json.dumps(values) + "\n", "utf-8")
    assert "more than 32 GPUs for a job" in run(*CHECK, tmp_path / "job.yaml").stdout
    assert helm.render(values, chart=built)


def test_job_of_the_platform_is_accepted(built: Path) -> None:
    images = {
        container["image"]
        for item in helm.render({"training": JOB}, chart=built).objects
        if item["kind"] in ("StatefulSet", "Job")
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert {image.partition("/")[0] for image in images} == {"registry.example.com"}
