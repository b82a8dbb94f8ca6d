"""The tool and Helm agree: what one refuses the other refuses, with the same messages; job.json is the same."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings

from tests.chart import helm, kubernetes
from tests.unit.tool import generated
from tfconfig.checking import rules
from tfconfig.checking.findings import findings
from tfconfig.diagnostics import ERROR, Diagnostic
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import tasks, tf_config
from tfconfig.values import job_spec
from tfconfig.values.load import Values, load

# TFCONFIG_EXAMPLES=5000 looks harder; the default keeps `make test` short.
EXAMPLES = settings(
    max_examples=int(os.environ.get("TFCONFIG_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
RELEASE = "digits"


def read(values: dict[str, Any]) -> Values:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "values.yaml")
        file.write_text(json.dumps(values, ensure_ascii=False), "utf-8")
        return load([str(file)])


def messages(diagnostics: list[Diagnostic]) -> set[str]:
    return {f"{diagnostic.message}; {diagnostic.fix}" for diagnostic in diagnostics}


def assert_agreement(values: dict[str, Any]) -> None:
    mine = read(values)
    diagnostics = [item for item in findings(mine, RELEASE) if item.severity == ERROR]
    refusable = [item for item in diagnostics if rules.RULES[item.rule].chart]
    try:
        rendered = helm.render(values, release=RELEASE)
    except helm.RefusedError as error:
        assert refusable, f"Helm alone refuses this: {error}"  # noqa: PT017
        if all(item.rule >= "TFC1" for item in refusable):  # not the schema, which Helm words in its own way
            assert messages(refusable) == set(re.findall(r"^\s+- (.*)$", str(error), re.MULTILINE))  # noqa: PT017
        return
    assert not refusable, "the tool alone refuses this"
    theirs = rendered.job_spec()
    del theirs["record"]  # which is about runs, that local jobs do not keep
    assert job_spec.job(mine.data, RELEASE, mine.chart.strategies, theirs["runId"]) == theirs
    if not diagnostics:
        for item in rendered.all("StatefulSet")[:2] + rendered.all("NetworkPolicy"):  # tests/chart has all objects
            kubernetes.assert_valid(item, kubernetes.NEWEST)


OWN_PROGRAMS = {
    "strategy": "Custom",
    "program": {"command": ["all"], "args": ["--all"]},
    "chief": {"replicas": 1, "program": {"command": ["lead"]}},
    "worker": {"program": {"args": []}},
    "ps": {"replicas": 1, "program": {"args": ["--ps"]}},
    "evaluator": {"replicas": 1, "program": {"command": [], "workingDir": "/x"}},
}


DIFFERENT_PODS_OF_A_GANG = {
    **helm.PROGRAM,
    "podGroup": {"scheduler": "Kubernetes"},
    "priorityClassName": "a",
    "schedulerName": "s",
    "worker": {"priorityClassName": ""},
    "ps": {"podSpec": {"priorityClassName": "b", "schedulerName": None}},
}


@EXAMPLES
@example(DIFFERENT_PODS_OF_A_GANG)
@example({**helm.PROGRAM, "env": {"A": "x$$", "B": "1"}, "worker": {"env": {"A": "$(A)$$(A)$$$(A)", "B": "$(B)$(C)"}}})
@example(OWN_PROGRAMS)
@given(generated.VALUES)
def test_tool_and_helm_agree_on_values_that_the_schema_accepts(values: dict[str, Any]) -> None:
    assert_agreement(values)


@EXAMPLES
@example({"worker": {"replicas": "3"}})
@example({**helm.PROGRAM, "fullnameOverride": "x\n"})
@example({"chief": None, "worker": None, "ps": None, "evaluator": None})
@example({"program": {"command": ["x"], "files": {"a.py": None}}})
@given(generated.spoiled())
def test_tool_and_helm_agree_on_values_that_were_spoiled(values: dict[str, Any]) -> None:
    assert_agreement(values)


@EXAMPLES
@example(generated.PASSED_ON)
@given(generated.spoiled_parts())
def test_what_passes_is_what_kubernetes_takes_where_the_chart_passes_it_on(values: dict[str, Any]) -> None:
    assert_agreement(values)


@pytest.mark.parametrize("strategy", ["ParameterServer", "BetweenGraph", "InGraph", "MultiWorkerMirrored", "Custom"])
def test_generated_tf_config_is_what_pods_compute_from_the_rendered_config_map(strategy: str) -> None:
    values = {**helm.PROGRAM, "strategy": strategy, "worker": {"replicas": 3}, "evaluator": {"replicas": 1}}
    mine = read(values)
    job, theirs = (
        job_spec.job(mine.data, RELEASE, mine.chart.strategies),
        cast("JobSpec", helm.render(values, release=RELEASE).job_spec()),
    )
    all_tasks = tasks(theirs)
    assert len(all_tasks) >= 4
    assert [tf_config(job, task) for task in all_tasks] == [tf_config(theirs, task) for task in all_tasks]


@pytest.mark.parametrize("name", helm.ci_values())
def test_values_files_of_the_chart_have_no_errors(name: str) -> None:
    file = helm.CHART / "ci" / f"{name}-values.yaml"
    assert [item for item in findings(load([str(file)]), RELEASE) if item.severity == ERROR] == []


BAD = {
    "unknown key": ("worker: {replica: 3}", 2, "worker.replica", "replicas"),
    "replicas -1": ("worker: {replicas: -1}", 2, "worker.replicas", "-1"),
    "two chiefs": ("chief: {replicas: 2}", 2, "chief.replicas", "0 or 1"),
    "a text for a number": ('worker: {replicas: "3"}', 2, "worker.replicas", "remove the quotes"),
    "ps without worker or chief": (
        "strategy: Custom\nworker: {replicas: 0}\nps: {replicas: 2}",
        4,
        "ps.replicas",
        "2, but there is no chief or worker",
    ),
    "no program": ("program: null", 2, "program", "null"),
    "no command": ("program: {command: []}", 2, "program.command", "python3, train.py"),
    "TF_CONFIG set by the user": ("env: {TF_CONFIG: x}", 2, "env.TF_CONFIG", "remove it"),
    "AllWorkers without workers": (
        "strategy: Custom\nchief: {replicas: 1}\nworker: {replicas: 0}\ncompletion: {successPolicy: AllWorkers}",
        5,
        "completion.successPolicy",
        "no worker",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_value_is_refused_by_helm_and_by_the_tool_with_key_and_line(case: str, tmp_path: Path) -> None:
    text, line, path, says = BAD[case]
    lead = "\n" if text.startswith("program") else "program: {command: [python3, train.py]}\n"
    file = tmp_path / "values.yaml"
    file.write_text(lead + text, "utf-8")
    values = load([str(file)])
    (diagnostic,) = [item for item in findings(values, RELEASE) if item.path == path]
    assert diagnostic.line == line
    assert says in f"{diagnostic.message}; {diagnostic.fix}"
    with pytest.raises(helm.RefusedError, match=path.rpartition(".")[2]):
        helm.render(yaml.safe_load(lead + text), release=RELEASE)


@pytest.mark.parametrize("release", ["9digits", "a" * 43, "a.b"])
def test_bad_release_name_is_refused_by_helm_and_by_the_tool(release: str) -> None:
    (diagnostic,) = findings(read(helm.PROGRAM), release)
    assert diagnostic.rule == "TFC101"
    with pytest.raises(helm.RefusedError, match="release name"):
        helm.render(helm.PROGRAM, release=release)
