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


@pytest.mark.parametrize("key", ["tensorflow-job", "job"])
def test_a_job_below_a_key_that_nothing_reads_is_an_error(tmp_path: Path, key: str) -> None:
    root = umbrella(tmp_path)
    text = f"{JOB}{key}: {{worker: {{replicas: 2}}}}\n"
    (found,) = findings(loaded(root, text), "digits")
    assert (found.rule, found.line, found.fix) == ("TFC014", 3, "did you mean train?")
    (root / "templates").mkdir()
    (root / "templates" / "other.yaml").write_text(f'{{{{ index .Values "{key}" }}}}', "utf-8")
    assert findings(loaded(root, text), "digits") == []


def test_a_chart_in_the_folder_of_the_umbrella_reads_its_key(tmp_path: Path) -> None:
    root = umbrella(tmp_path)
    (root / "charts" / "web").mkdir(parents=True)
    (root / "charts" / "db-1.2.0.tgz").touch()
    assert findings(loaded(root, JOB + "web: {image: {tag: a}}\ndb: {resources: {}}\n"), "digits") == []


def test_every_condition_of_a_dependency_is_read(tmp_path: Path) -> None:
    root = umbrella(tmp_path, {"alias": "train", "condition": "train.enabled,job.enabled"})
    assert findings(loaded(root, JOB + "job: {enabled: true}\n"), "digits") == []


def test_a_key_that_the_schema_of_the_umbrella_refuses_is_one_error(tmp_path: Path) -> None:
    root = umbrella(tmp_path)
    schema = {"properties": {"train": {}, "greeting": {}}, "additionalProperties": False}
    (root / "values.schema.json").write_text(json.dumps(schema), "utf-8")
    (found,) = findings(loaded(root, JOB + "trian: {}\n"), "digits")
    assert (found.rule, found.fix) == ("TFC010", "did you mean train?")


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
