"""Each manifest of the corpus becomes the values and the report that stand beside it, and the values are valid."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.tool.commands.test_json import schema
from tests.unit.tool.convert import cases
from tfconfig.checking.findings import findings
from tfconfig.checking.rules.job import MAX_NAME
from tfconfig.commands.convert import command
from tfconfig.diagnostics import ERROR, Diagnostic
from tfconfig.values.helm_yaml import plain, read
from tfconfig.values.load import load


def test_the_corpus_has_all_shapes() -> None:
    assert len(cases.NAMES) >= 60


@pytest.mark.parametrize("name", cases.NAMES)
def test_a_manifest_becomes_what_stands_beside_it(name: str) -> None:
    case = cases.read(name)
    assert str(cases.now(case)) == str(case)


def errors(text: str, release: str, folder: Path) -> list[Diagnostic]:
    file = folder / "values.yaml"
    file.write_text(text, "utf-8")
    return [found for found in findings(load([str(file)]), release) if found.severity == ERROR]


@pytest.mark.parametrize("name", cases.NAMES)
def test_values_are_valid_or_lack_what_the_report_says(name: str, tmp_path: Path) -> None:
    for job in document(name)["jobs"]:
        missing = {item["target"] for item in job["report"] if item["kind"] == "missing"}
        release = job["name"] if len(job["name"]) <= MAX_NAME else "short"
        found = {error.path for error in errors(job["text"], release, tmp_path)}
        assert found <= missing, found
        assert bool(missing) >= bool(found)


@pytest.mark.parametrize("name", cases.NAMES)
def test_the_text_says_the_same_as_the_values(name: str) -> None:
    for job in document(name)["jobs"]:
        assert plain(read(job["text"].encode(), "values.yaml").root) == job["values"]


@pytest.mark.parametrize("name", cases.NAMES)
def test_no_comment_is_lost(name: str) -> None:
    found = document(name)
    if len(found["jobs"]) == 1 and "--job" not in cases.read(name).arguments and not found["others"]:
        comments = re.findall(r"(?:^|\s)# (.+)", cases.read(name).manifest)
        assert [text for text in comments if text not in found["jobs"][0]["text"]] == []


@pytest.mark.parametrize("name", cases.NAMES)
def test_the_json_is_what_its_schema_says(name: str) -> None:
    schema("convert").validate(document(name))


def test_a_comment_stands_where_it_stood() -> None:
    """Above what it was above, beside what it was beside; of what is lost, at the end."""
    lines = [line.strip() for line in cases.read("comments").values.splitlines()]
    assert lines[lines.index("# servers") + 1] == "ps:"
    assert lines[lines.index("# scratch") + 1].startswith("- {name: data")
    assert 'B: "yes"  # b is good' in lines
    assert lines.index("# Not carried over:") < lines.index("#     # ops wants it")


class TestFiles:
    def test_each_job_gets_a_file(self, tmp_path: Path) -> None:
        case = cases.read("several-jobs")
        result = cases.call(case.manifest, f"--directory {tmp_path / 'new'}")
        assert result.exit_code == 0
        assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["one.yaml", "two.yaml"]
        again = cases.call(case.manifest, f"--directory {tmp_path / 'new'}")
        assert again.exit_code == 2
        assert "exists; name another directory" in again.stderr

    @pytest.mark.parametrize("arguments", ["", "--job mnist", "--directory new"])
    def test_jobs_of_one_name_are_refused_before_anything_is_written(self, arguments: str) -> None:
        one = cases.read("smallest").manifest
        result = cases.call(f"{one}\n---\n{one}", arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.search(r"has 2 jobs called mnist \(lines 1 and \d+\); put each into a file of its own", result.stderr)
        assert not (cases.FOLDER / "new").exists()

    def test_a_variable_without_a_name_has_to_be_filled_in(self) -> None:
        manifest = cases.read("smallest").manifest.replace("command:", "env: [{value: z}]\n              command:")
        assert "[{value: z}]" in manifest
        result = cases.call(manifest)
        assert result.exit_code == 1
        assert "the variable has no name; give it one, or remove it" in " ".join(result.stderr.split())
        assert "''" not in result.stdout

    def test_check_prints_the_report_alone(self) -> None:
        case = cases.read("check")
        assert case.values.startswith("TFJob mnist")
        assert "strategy:" not in case.values

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("--job none", "has no job none; it has mnist"),
            ("--command ''", "empty"),
            ("--command '\"'", "No closing quotation"),
            ("--command train.py", "every role of the manifest has a command"),
            ("--command 'FOO=1 python x.py'", "FOO=1: FOO is neither a role (chief, worker, ps, evaluator)"),
            ("--command 'FOO=1 python x.py'", "--command 'env FOO=1 …'"),
            ("--command 'workr=python x.py'", "workr=python: workr is neither a role"),
            ("--command 'ps=FOO=1 x'", "FOO=1: FOO is neither"),
            ("--command 'cd /x && python x.py'", "&& is for a shell, and none reads the command; start one:"),
            ("--command 'python x.py | tee log'", "| is for a shell"),
            ("--command 'python x.py; true'", "; is for a shell"),
            ("--command 'python x.py >log'", "> is for a shell"),
            ("--command 'python x.py --lr $LR'", "$LR is for a shell"),
            ("--image-config none.json", "No such file"),
            ("--image-config workr=none.json", "No such file or directory, and workr is no role: chief, worker, ps"),
            ("--image-config worker=", "empty; name a file"),
            ("--image-config ps=crane.json", "--image-config ps=…: the manifest has no ps; leave the option out"),
            ("--image-config smallest.txt", "not JSON"),
            ("--no-such-option", "No such option"),
        ],
    )
    def test_wrong_calls_are_usage_errors(self, arguments: str, message: str) -> None:
        result = cases.call(cases.read("smallest").manifest, arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr

    def test_a_command_for_a_role_that_is_not_there_is_a_usage_error(self) -> None:
        result = cases.call(cases.read("no-command").manifest, "--command train --command chief=train")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "--command chief=…: the manifest has no chief without a command" in result.stderr

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ("tfReplicaSpec", "is missing, so there are no tasks; found tfReplicaSpec; write it as tfReplicaSpecs"),
            ("TFReplicaSpecs", "found TFReplicaSpecs"),
        ],
    )
    def test_roles_under_another_key_are_found(self, key: str, message: str) -> None:
        result = cases.call(cases.read("smallest").manifest.replace("tfReplicaSpecs", key))
        assert result.exit_code == 1
        assert message in result.stderr

    def test_a_file_that_is_not_there(self) -> None:
        result = CliRunner().invoke(command, ["no/such.yaml"])
        assert (result.exit_code, result.stdout) == (2, "")
        assert "give the path of a manifest" in result.stderr


@functools.cache
def document(name: str) -> Any:
    case = cases.read(name)
    arguments = " ".join([*case.arguments.split(" --check"), "-o json"])
    result = cases.call(case.manifest, arguments)
    return json.loads(result.stdout)
