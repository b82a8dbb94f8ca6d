"""A job's author silences by comments what the platform's policy is for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.tool.commands.test_commands import run

JOB = """\
program: {command: [python3, train.py]}
networkPolicy: {enabled: false}  # tfconfig: ignore[TFC309] a warning
env: {TF_CONFIG: x}  # tfconfig: ignore[TFC140] an error
worker: {gpus: 64}  # tfconfig: ignore[TFC400] the policy itself
"""
GPUS = {"properties": {"worker": {"properties": {"gpus": {"maximum": 8}}}}}


def reported(folder: Path, *policies: object) -> set[str]:
    (folder / "job.yaml").write_text(JOB, "utf-8")
    options: list[str | Path] = []
    for number, policy in enumerate(policies):
        (folder / f"{number}.json").write_text(json.dumps(policy), "utf-8")
        options += ["--policy", folder / f"{number}.json"]
    result = run("validate", *options, "--ignore", "TFC009,TFC322,TFC332", "-o", "json", folder / "job.yaml")
    return {item["rule"] for item in json.loads(result.stdout)["diagnostics"]}


@pytest.mark.parametrize(
    ("may_ignore", "stays"),
    [
        ({}, {"TFC140", "TFC400"}),
        ({"mayIgnore": []}, {"TFC140", "TFC309", "TFC400"}),
        ({"mayIgnore": ["TFC14"]}, {"TFC309", "TFC400"}),
        ({"mayIgnore": ["TFC"]}, {"TFC400"}),
    ],
)
def test_with_a_policy_comments_ignore_what_it_allows_and_by_default_warnings(
    may_ignore: dict[str, object], stays: set[str], tmp_path: Path
) -> None:
    assert reported(tmp_path, {**GPUS, **may_ignore}) == stays


def test_every_policy_must_allow_it(tmp_path: Path) -> None:
    assert reported(tmp_path, {**GPUS, "mayIgnore": ["TFC"]}, {"mayIgnore": []}) == {"TFC140", "TFC309", "TFC400"}


def test_without_a_policy_errors_can_be_ignored(tmp_path: Path) -> None:
    assert reported(tmp_path) == set()


def test_comment_that_the_policy_forbids_is_reported_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(JOB, "utf-8")
    (tmp_path / "policy.json").write_text('{"mayIgnore": []}', "utf-8")
    out = run("validate", "--policy", tmp_path / "policy.json", tmp_path / "job.yaml").stdout
    assert "ignore[TFC309] has no effect: this may not be ignored here" in out


@pytest.mark.parametrize("value", ["TFC305", [3], ["TFC400x"], ["305"]])
def test_wrong_list_is_a_usage_error(value: object, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps({"mayIgnore": value}), "utf-8")
    result = run("validate", "--policy", tmp_path / "policy.json", "--set", "a=b")
    assert (result.exit_code, "not a list of rules" in result.stderr) == (2, True)
