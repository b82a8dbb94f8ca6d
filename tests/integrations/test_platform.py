"""The example of a platform team: its chart, its policy, and a job of five lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart import helm
from tests.unit.tool.commands.test_commands import run

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
    assert rendered.job_spec()["name"] == "digits-training"
    assert worker["image"] == "registry.example.com/vision/train:1.4"
    assert worker["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "2"}
    assert rendered.lifecycle()["serviceAccountName"] == "tensorflow-job"
    assert not rendered.all("Role")
    labels = rendered.set_of("worker")["spec"]["template"]["metadata"]["labels"]
    assert (labels["team"], labels["cost-centre"]) == ("vision", "4711")


CHECK = ("validate", "--chart", str(FOLDER), "--alias", "training", "--policy", str(FOLDER / "policy.json"))


def test_job_passes_with_no_warning() -> None:
    result = run(*CHECK, "--strict", JOB)
    assert (result.exit_code, result.stdout) == (0, "")


def test_policy_violations_are_reported_at_their_line_with_the_message_of_the_team(tmp_path: Path) -> None:
    text = JOB.read_text("utf-8").replace("gpus: 2", "gpus: 16").replace("cost-centre", "cost-center")
    job = tmp_path / "job.yaml"
    job.write_text("# tfconfig: ignore[TFC400] what the team says stands\n" + text, "utf-8")
    result = run(*CHECK, "--ignore", "TFC009", "-o", "json", job)
    diagnostics = json.loads(result.stdout)["diagnostics"]
    assert [(item["rule"], item["file"], item["line"], item["path"]) for item in diagnostics] == [
        ("TFC400", str(job), 5, "training.roles.worker.gpus"),
        ("TFC400", str(job), 5, "training.totals.gpus"),
        ("TFC400", str(job), 6, "training.roles.chief.podLabels.cost-centre"),
    ]
    assert "our nodes have 8" in diagnostics[0]["message"]
    assert "no cost centre" in diagnostics[2]["message"]


def test_what_the_schema_of_the_team_and_its_policy_both_refuse_is_reported_once(tmp_path: Path) -> None:
    """In the words of the policy; the schema alone tells what the policy does not, or what is no value of that kind."""
    job = tmp_path / "job.yaml"
    job.write_text(JOB.read_text("utf-8").replace("gpus: 2", 'gpus: "16"').replace("4711", "47").replace("4,", "17,"))

    def told(*command: str) -> set[tuple[str, str]]:
        diagnostics = json.loads(run(*command, "-o", "json", job).stdout)["diagnostics"]
        return {(item["rule"], item["path"]) for item in diagnostics}

    of_schema = {("TFC012", "training.worker.replicas"), ("TFC011", "training.worker.gpus")}
    assert told(*CHECK[:-2]) == of_schema | {("TFC012", "training.podLabels.cost-centre")}
    of_policy = {("TFC400", "training.roles.chief.podLabels.cost-centre"), ("TFC400", "training.totals.gpus")}
    assert told(*CHECK) == of_schema | of_policy


def test_error_in_the_defaults_of_the_team_is_reported_there(tmp_path: Path) -> None:
    chart = tmp_path / "platform"
    shutil.copytree(FOLDER, chart)
    values = chart / "values.yaml"
    values.write_text(values.read_text("utf-8").replace("shmSize", "shmSise"), "utf-8")
    shutil.copytree(helm.CHART, chart / "charts" / "tensorflow-job", ignore=shutil.ignore_patterns("__pycache__"))
    assert f"{values}:" in run("validate", "--chart", chart, JOB).stdout


def test_other_commands_take_the_chart_too() -> None:
    addresses = run("generate", "--chart", FOLDER, "-f", JOB, "--release", "digits", "--task", "chief-0").stdout
    assert "digits-training-worker-3.digits-training:2222" in addresses
    plan = json.loads(run("plan", "--chart", FOLDER, "-f", JOB, "-o", "json").stdout)
    assert plan["total"]["requests"]["nvidia.com/gpu"] == "8"
    schema = json.loads(run("schema", "--chart", FOLDER).stdout)
    assert jsonschema.Draft7Validator(schema).is_valid(read(JOB))
    assert not jsonschema.Draft7Validator(schema).is_valid({"training": {"imag": {}}})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--chart", "no/such"), "is not a Helm chart"),
        (("--chart", FOLDER, "--alias", "other"), "give --alias one of training"),
        (("--alias", "training"), "leave --alias out"),
        (("--policy", "no.json"), "No such file"),
        (("--policy", JOB.parent / "README.md"), "README.md:"),
    ],
)
def test_usage_error_exits_2(arguments: tuple[str | Path, ...], says: str) -> None:
    result = run("validate", *arguments, JOB)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr
