"""Values that several jobs share: a team's file or umbrella chart is not what the errors of one job are about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tool.checking.test_umbrella import JOB, loaded, umbrella
from tests.unit.tool.commands.test_commands import GOOD, run
from tfconfig.checking import policy
from tfconfig.checking.findings import findings

TRAIN = "train: {image: {repository: team/train, tag: x1}}\n"


def places(folder: Path, text: str, **values: Any) -> list[tuple[str, str, int]]:
    found = findings(loaded(umbrella(folder, **values), text), "digits")
    return [(item.rule, Path(item.file).name, item.line) for item in found]


def test_key_of_the_job_beside_the_alias_is_an_error_that_says_where_it_belongs(tmp_path: Path) -> None:
    root = umbrella(tmp_path)
    found = findings(loaded(root, JOB + "worker: {replicas: 8}\nsuspend: true\n"), "digits")
    assert [(item.rule, item.severity, item.line) for item in found] == [("TFC014", "error", 3), ("TFC014", "error", 4)]
    assert found[0].fix == "did you mean train.worker?"


def test_misspelt_alias_is_an_error(tmp_path: Path) -> None:
    assert places(tmp_path, JOB + "trian: {worker: {replicas: 2}}\n") == [("TFC014", "job.yaml", 3)]


def test_keys_that_the_umbrella_knows_are_none(tmp_path: Path) -> None:
    text = JOB + "greeting: bye\nglobal: {a: 1}\ntags: {x: true}\nredis: {size: 1}\nanything: 1\n"
    assert places(tmp_path, text) == []
    assert places(tmp_path / "b", text + "image: {a: 1}\n", values="image: {a: 2}\n" + TRAIN) == []


def test_what_a_job_lacks_stands_at_the_job_and_not_in_the_file_of_the_team(tmp_path: Path) -> None:
    assert places(tmp_path, "# a job\ntrain:\n  run: 2\n") == [("TFC102", "job.yaml", 3)]
    values = loaded(umbrella(tmp_path / "b", values="train: {podLabels: {team: a}}\n"))
    (tmp_path / "policy.json").write_text('{"properties": {"podLabels": {"required": ["cost"]}}}', "utf-8")
    (found,) = policy.check(values, [policy.load(str(tmp_path / "policy.json"))])
    assert (Path(found.file).name, found.line) == ("job.yaml", 2)


TEAM = (
    "tensorboard: {image: {repository: team/board}}\ncheckpoint: {existingClaim: c, size: 1Gi}\nevaluator: {gpus: 1}\n"
)


@pytest.mark.parametrize(
    ("options", "failing"), [(("-f", "team.yaml", "job.yaml"), set()), (("team.yaml",), {"TFC311"})]
)
def test_setting_of_a_shared_file_may_be_without_effect_for_a_job(
    options: tuple[str, ...], failing: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("team.yaml").write_text(TEAM if "-f" in options else GOOD + TEAM, "utf-8")
    Path("job.yaml").write_text(GOOD, "utf-8")
    result = run("validate", "-o", "json", *options)
    assert {item["rule"] for item in json.loads(result.stdout)["diagnostics"]} - {"TFC310"} == failing
