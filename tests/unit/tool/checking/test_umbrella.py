"""A job inside an umbrella chart: its values are those that Helm hands to it, with the places that set them."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import helm_python
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chart import helm
from tests.unit.tool.values.test_load import LEAVES
from tfconfig.checking.findings import findings
from tfconfig.values.chart import Chart, UnreadableError, bundled
from tfconfig.values.load import Values, load
from tfconfig.values.set_flags import SetFlags

TEAM = """\
greeting: hello
train:
  image: {repository: team/train, tag: "1.0"}
  worker: {replicas: 4}
  ps: {replicas: 2}
"""
JOB = """\
train:
  program: {command: [python3, train.py]}
"""


def umbrella(folder: Path, *dependencies: dict[str, str], values: str = TEAM, job: Path | None = None) -> Path:
    root = folder / "umbrella"
    root.mkdir(parents=True)
    entries = dependencies or ({"alias": "train"},)
    whole = [{"name": "tensorflow-job", "version": "0.1.0", **entry} for entry in entries]
    metadata = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": whole}
    (root / "Chart.yaml").write_text(json.dumps(metadata), "utf-8")
    (root / "values.yaml").write_text(values, "utf-8")
    if job:
        (root / "charts").mkdir()
        shutil.copytree(job, root / "charts" / "tensorflow-job")
    return root


def loaded(root: Path, text: str = JOB, alias: str = "") -> Values:
    file = root.parent / "job.yaml"
    file.write_text(text, "utf-8")
    return load([str(file)], chart=Chart(root), alias=alias)


def test_job_has_the_teams_values_over_the_charts_defaults(tmp_path: Path) -> None:
    values = loaded(umbrella(tmp_path))
    assert values.alias == "train"
    assert values.data["worker"] == {"replicas": 4, "gpus": 0}
    assert values.data["program"]["command"] == ["python3", "train.py"]
    assert values.job_release("digits") == "digits-train"
    assert findings(values, "digits") == []


def test_an_error_is_shown_in_the_file_that_has_it_with_its_whole_path(tmp_path: Path) -> None:
    root = umbrella(tmp_path)
    (diagnostic,) = findings(loaded(root, JOB + "  worker: {replica: 3}\n"), "digits")
    assert (diagnostic.path, Path(diagnostic.file).name, diagnostic.line) == ("train.worker.replica", "job.yaml", 3)
    assert diagnostic.message.startswith("train.worker.replica: unknown key")
    (diagnostic,) = findings(loaded(root, JOB + "  strategy: MultiWorkerMirrored\n"), "digits")
    assert (diagnostic.rule, Path(diagnostic.file).name, diagnostic.line) == ("TFC111", "job.yaml", 3)
    (diagnostic,) = findings(loaded(umbrella(tmp_path / "b", values=TEAM.replace("4", '"4"'))), "digits")
    assert (diagnostic.rule, Path(diagnostic.file).name, diagnostic.line) == ("TFC011", "values.yaml", 4)


def test_name_of_the_job_has_the_alias_in_it(tmp_path: Path) -> None:
    values = loaded(umbrella(tmp_path))
    assert findings(values, "a" * 36) == []
    (diagnostic,) = findings(values, "a" * 37)
    assert diagnostic.message.startswith(f'release name: "{"a" * 37}-train" has 43 characters')


def test_schema_of_the_umbrella_counts_too(tmp_path: Path) -> None:
    root = umbrella(tmp_path)
    schema = {"properties": {"greeting": {"enum": ["hello"]}}}
    (root / "values.schema.json").write_text(json.dumps(schema), "utf-8")
    (diagnostic,) = findings(loaded(root, JOB + "greeting: bye\n"), "digits")
    assert (diagnostic.rule, diagnostic.path, diagnostic.line) == ("TFC012", "greeting", 3)


@pytest.mark.parametrize(
    ("dependencies", "alias", "says"),
    [
        ([{"alias": "a"}, {"alias": "b"}], "", "has several jobs; give --alias one of a, b"),
        ([{"alias": "a"}], "c", "has no c; give --alias one of a"),
        ([{"name": "redis"}], "", "has no dependency tensorflow-job"),
    ],
)
def test_alias_must_name_one_job(tmp_path: Path, dependencies: list[dict[str, str]], alias: str, says: str) -> None:
    with pytest.raises(UnreadableError, match=says):
        loaded(umbrella(tmp_path, *dependencies), alias=alias)


@pytest.mark.parametrize("value", ["5", "abc", '""', "true", "[]", "[a]"])
def test_job_that_is_no_map_is_one_error(tmp_path: Path, value: str) -> None:
    (diagnostic,) = findings(loaded(umbrella(tmp_path), f"train: {value}\n"), "digits")
    assert (diagnostic.rule, diagnostic.path, diagnostic.line, diagnostic.column) == ("TFC011", "train", 1, 8)
    assert diagnostic.message.startswith("train: expected a map, found ")


@pytest.mark.parametrize("argument", ["train=5", "train="])
def test_job_that_an_argument_makes_no_map_is_one_error(tmp_path: Path, argument: str) -> None:
    (diagnostic,) = findings(load([], SetFlags(typed=(argument,)), Chart(umbrella(tmp_path))), "digits")
    assert (diagnostic.rule, diagnostic.file) == ("TFC011", f"--set {argument}")


def test_job_that_the_umbrella_makes_no_map_is_one_error(tmp_path: Path) -> None:
    (diagnostic,) = findings(loaded(umbrella(tmp_path, values="train: 5"), "greeting: bye"), "digits")
    assert (diagnostic.rule, Path(diagnostic.file).name) == ("TFC011", "values.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Chart.yaml: empty; write apiVersion, name and version into it"),
        ("x: [", "Chart.yaml:1:4: not YAML: "),
        ("x:\n\ty: 1", "Chart.yaml:2:1: not YAML: "),
        ("dependencies: {a: b}", "Chart.yaml:1:15: dependencies: expected a list, found a map; write - {name: "),
        ("dependencies: 5", "Chart.yaml:1:15: dependencies: expected a list, found the number 5; write - {name: "),
        ("dependencies: [a]", 'Chart.yaml:1:16: dependencies[0]: expected a map, found the string "a"; write - {'),
        ("dependencies: [null]", "Chart.yaml:1:16: dependencies[0]: expected a map, found nothing (null); write - {"),
        (
            "dependencies: [{name: tensorflow-job, alias: 5}]",
            "Chart.yaml:1:46: dependencies[0].alias: expected a string, found the number 5; quote the value",
        ),
        ("dependencies: []", "umbrella has no dependency tensorflow-job"),
    ],
)
def test_what_is_wrong_in_its_chart_yaml_is_a_usage_error_that_names_the_place(
    tmp_path: Path, text: str, says: str
) -> None:
    root = umbrella(tmp_path)
    (root / "Chart.yaml").write_text(text, "utf-8")
    with pytest.raises(UnreadableError) as refused:
        loaded(root)
    assert str(refused.value).startswith(f"{root.parent}/umbrella")
    assert says in str(refused.value)


def test_default_values_that_are_not_yaml_are_a_usage_error(tmp_path: Path) -> None:
    root = umbrella(tmp_path, job=helm.CHART)
    (root / "charts" / "tensorflow-job" / "values.yaml").write_text("a: [", "utf-8")
    with pytest.raises(UnreadableError, match=r"tensorflow-job/values\.yaml:1:4: not YAML"):
        loaded(root)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"properties": {"train": {"$ref": "http://x/y"}}}', "$ref http://x/y is not in this file; other files are"),
        ('{"definitions": {"a": {"$ref": "#/definitions/a"}}, "$ref": "#/definitions/a"}', "a $ref leads to itself"),
        ('{"type": 5}', "type: the number 5 is not one of array, boolean, "),
        ('{"properties": {"train": {"required": true}}}', "properties.train.required: expected a list, found true"),
        ('{"properties": {"train": {"pattern": "("}}}', 'properties.train.pattern: the string "(" is not a regex'),
        ('{"$schema": 5}', "'$schema': expected a string, found the number 5"),
        ("[]", "expected a map, found an empty list; write {…}"),
        ("5", "expected a map, found the number 5; write {…}"),
        ("{", "values.schema.json is not JSON"),
    ],
)
def test_what_is_no_schema_is_a_usage_error_that_names_the_file(tmp_path: Path, text: str, says: str) -> None:
    root = umbrella(tmp_path)
    (root / "values.schema.json").write_text(text, "utf-8")
    with pytest.raises(UnreadableError) as refused:
        findings(loaded(root), "digits")
    assert "values.schema.json" in str(refused.value)
    assert says in str(refused.value)


def test_schema_of_another_draft_is_one(tmp_path: Path) -> None:
    root = umbrella(tmp_path)
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": True}
    (root / "values.schema.json").write_text(json.dumps(schema), "utf-8")
    assert findings(loaded(root), "digits") == []


def test_defaults_of_the_chart_that_its_schema_does_not_know_are_one_error(tmp_path: Path) -> None:
    root = umbrella(tmp_path)
    schema = {"properties": {"train": {"properties": {"worker": {"additionalProperties": False, "properties": {}}}}}}
    (root / "values.schema.json").write_text(json.dumps(schema), "utf-8")
    found = findings(loaded(root), "digits")
    assert [item.message for item in found] == [
        "train.worker: unknown keys gpus: the defaults of the chart are checked too",
        "train.worker.replicas: unknown key",
    ]


def test_what_is_no_chart_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"give the directory that has its Chart\.yaml"):
        load([], chart=Chart(tmp_path))
    with pytest.raises(UnreadableError, match="leave --alias out"):
        load([], chart=bundled(), alias="train")
    (tmp_path / "no.tgz").write_text("no archive", "utf-8")
    with pytest.raises(UnreadableError, match="give a chart's directory, or an archive as helm package makes it"):
        load([], chart=Chart(tmp_path / "no.tgz"))
    root = umbrella(tmp_path)
    with pytest.raises(UnreadableError, match=rf"is no archive of a chart; give a chart's directory, {root}$"):
        load([], chart=Chart(root / "Chart.yaml"))


def test_chart_may_be_an_archive(tmp_path: Path) -> None:
    archive = helm.package(tmp_path)
    (tmp_path / "job.yaml").write_text("program: {command: [x]}", "utf-8")
    assert findings(load([str(tmp_path / "job.yaml")], chart=Chart(archive)), "digits") == []
    root = umbrella(tmp_path)
    (root / "charts").mkdir()
    archive.rename(root / "charts" / archive.name)
    assert findings(loaded(root), "digits") == []
    assert tarfile.is_tarfile(root / "charts" / archive.name)


def test_helm_gives_the_job_the_same_job_spec(tmp_path: Path) -> None:
    rendered = helm.render({"train": helm.PROGRAM}, chart=umbrella(tmp_path, job=helm.CHART))
    spec = rendered.job_spec()
    assert (spec["name"], spec["replicas"]) == ("digits-train", {"chief": 1, "worker": 4, "ps": 2})


TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6)
TOPS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)
# Of a default that is null Helm keeps the null in a subchart and not elsewhere; to the tool it is not set.
DEFAULTS = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        LEAVES.filter(lambda leaf: leaf is not None),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
UMBRELLAS = st.fixed_dictionaries({}, optional={"train": TOPS, "x": TREES, "global": st.just({"g": 1})})


@settings(
    max_examples=int(os.environ.get("TFCONFIG_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(UMBRELLAS, UMBRELLAS, DEFAULTS)
def test_values_of_a_subchart_are_what_helm_hands_to_it(
    tmp_path_factory: pytest.TempPathFactory, user: Any, team: Any, defaults: Any
) -> None:
    folder = tmp_path_factory.mktemp("charts")
    sub = folder / "sub"
    for name in ("files", "templates"):
        (sub / name).mkdir(parents=True)
    (sub / "Chart.yaml").write_text("apiVersion: v2\nname: tensorflow-job\nversion: 0.1.0\n", "utf-8")
    (sub / "values.yaml").write_text(json.dumps(defaults), "utf-8")
    (sub / "files" / "strategies.json").write_text('{"Custom": {}}', "utf-8")
    (sub / "templates" / "values.json").write_text("{{ toJson .Values }}", "utf-8")
    root = umbrella(folder, values=json.dumps(team), job=sub)
    (text,) = helm_python.Chart.load(root).render(user, name="r", namespace="n").values()
    theirs = json.loads(text)
    mine = loaded(root, json.dumps(user)).data
    assert {**mine, "global": None} == {**theirs, "global": None}
