"""Rules across fields: the examples of each, and what examples cannot show. tests/acceptance has more of both."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tool.conftest import Find
from tfconfig.checking import rules
from tfconfig.checking.rules.job import tf_config_bytes
from tfconfig.checking.rules.registry import CHECKS
from tfconfig.tensorflow_job.task.job_spec import dumps, tasks, tf_config
from tfconfig.values import job_spec
from tfconfig.values.chart import bundled
from tfconfig.values.helm_yaml import plain
from tfconfig.values.set_flags import SetFlags

PROGRAM = "program: {command: [python3, -m, train]}\n"
MARK = "# <--"

# An error of size is no example to read; TFC004 is about --set-file, TFC008 about thousands of errors, TFC009 about
# comments, TFC400 and TFC401 about policies: each has its own test.
WITHOUT_EXAMPLE = {"TFC004", "TFC008", "TFC009", "TFC014", "TFC104", "TFC142", "TFC400", "TFC401"}
EXAMPLES = [rule for rule in rules.RULES.values() if rule.id not in WITHOUT_EXAMPLE]


def whole(example: str) -> str:
    return example if "program:" in example else example + PROGRAM


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_rule_finds_its_bad_example_at_the_marked_line_and_nothing_in_the_good_one(
    find: Find, rule: rules.Rule
) -> None:
    (line,) = [number for number, text in enumerate(rule.bad.splitlines(), 1) if text.endswith(MARK)]
    diagnostics = find(whole(rule.bad))
    assert [(item.rule, item.line, item.severity) for item in diagnostics] == [(rule.id, line, rule.severity)]
    assert find(whole(rule.good)) == []


def test_every_rule_says_what_why_and_what_to_do() -> None:
    for rule in rules.RULES.values():
        assert re.fullmatch(r"TFC\d{3}", rule.id)
        assert rule.title[0].isupper()
        assert rule.title[-1] != "."
        assert rule.why.endswith(".")
        assert rule.fix.endswith(".")
        assert rule.severity in ("error", "warning")
        assert rule.chart <= (rule.severity == "error")


def test_every_check_is_of_a_rule() -> None:
    checked = [id for ids, _ in CHECKS for id in ids]
    assert len(checked) == len(set(checked))
    # The others are found while reading, by the chart's schema, by comments and by policies.
    assert set(checked) == {id for id in rules.RULES if "TFC1" <= id < "TFC4"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"program: {{command: [x], files: {{a.py: {'x' * 921601}}}}}", "TFC104"),
        (f"env: {{A: {'x' * 131070}}}", "TFC142"),
        (f"program: {{command: [x], args: [{'x' * 131072}]}}", "TFC142"),
    ],
    ids=["files", "variable", "argument"],
)
def test_text_that_is_too_long_is_found_and_one_byte_less_is_not(find: Find, text: str, rule: str) -> None:
    assert [item.rule for item in find(whole(text + "\n"))] == [rule]
    assert find(whole(text.replace("xx", "x", 1) + "\n")) == []


@pytest.mark.parametrize("text", ['env: {A: "x\\0y"}', 'program: {command: ["x\\0y"]}'])
def test_a_nul_in_a_variable_or_argument_is_found(find: Find, text: str) -> None:
    assert [item.rule for item in find(whole(text + "\n"))] == ["TFC142"]


@pytest.mark.parametrize("release", ["9digits", "a.b", "A", "a" * 43, "a-"])
def test_release_name_that_does_not_fit_is_found_at_the_option(find: Find, release: str) -> None:
    diagnostics = find(PROGRAM, release=release)
    assert [(item.rule, item.file, item.line) for item in diagnostics] == [("TFC101", f"--release {release}", 0)]


@pytest.mark.parametrize("release", ["9digits", "a.b", "a" * 53])
def test_another_name_for_the_job_helps_where_helm_takes_the_release(find: Find, release: str) -> None:
    assert find(PROGRAM + "fullnameOverride: digits\n", release=release) == []


@pytest.mark.parametrize("release", ["A", "a-", "a" * 54])
def test_release_name_that_helm_refuses_is_found_whatever_the_job_is_called(find: Find, release: str) -> None:
    (diagnostic,) = find(PROGRAM + "fullnameOverride: digits\n", release=release)
    assert (diagnostic.rule, diagnostic.file) == ("TFC101", f"--release {release}")


def test_an_error_is_shown_where_the_user_caused_it(find: Find) -> None:
    (diagnostic,) = find(PROGRAM + "strategy: MultiWorkerMirrored\nworker: {replicas: 0}\n")
    assert (diagnostic.rule, diagnostic.line) == ("TFC112", 3)
    (diagnostic,) = find("strategy: Custom\n" + PROGRAM, SetFlags(typed=("worker.replicas=0",)))
    assert diagnostic.file == "--set worker.replicas=0"


def test_all_errors_are_found_in_one_run(find: Find) -> None:
    diagnostics = find("env: {TF_CONFIG: x}\nworker: {replicas: -1, gpu: 1}\nrestart: {policy: never}\n")
    assert [item.rule for item in diagnostics] == ["TFC102", "TFC140", "TFC012", "TFC010", "TFC012"]


def test_setting_that_roles_share_is_reported_once(find: Find) -> None:
    assert [item.path for item in find(PROGRAM + "env: {API_TOKEN: x}\n")] == ["env.API_TOKEN"]


def test_an_error_of_the_schema_is_not_reported_again(find: Find) -> None:
    assert [item.rule for item in find(PROGRAM + "tolerations: 3\n")] == ["TFC011"]
    assert [item.rule for item in find(PROGRAM + "initContainers: [{name: a}]\n")] == ["TFC013"]


ROLES = st.fixed_dictionaries({"chief": st.integers(0, 1), "worker": st.integers(0, 1500), "ps": st.integers(0, 300)})


@given(ROLES, st.from_regex(r"[a-z][a-z0-9]{0,41}", fullmatch=True))
def test_size_of_tf_config_is_known_without_making_it(replicas: dict[str, int], name: str) -> None:
    data: dict[str, Any] = {**bundled_data(), **{role: {"replicas": count} for role, count in replicas.items()}}
    job = job_spec.job(data, name, bundled().strategies)
    all_tasks = tasks(job)
    longest = max((len(dumps(tf_config(job, task))) for task in all_tasks[-1:] + all_tasks[:1]), default=None)
    if longest is not None:
        assert 0 <= tf_config_bytes(name, {**replicas, "evaluator": 0}) - longest <= len("worker1499")


def bundled_data() -> dict[str, Any]:
    return {**plain(bundled().defaults), "program": {"command": ["x"]}}


def test_a_file_of_set_file_that_is_not_utf_8_is_found_at_its_byte(find: Find, tmp_path: Path) -> None:
    program, other = tmp_path / "train.py", tmp_path / "other.py"
    program.write_bytes("# café".encode("latin-1"))
    other.write_text("# café \ufffd", "utf-8")
    flags = SetFlags(file=(rf"program.files.train\.py={program}", rf"program.files.other\.py={other}"))
    (diagnostic,) = find(PROGRAM, flags)
    assert (diagnostic.rule, diagnostic.file) == ("TFC004", rf"--set-file program.files.train\.py={program}")
    assert "byte 6 is not UTF-8" in diagnostic.message
