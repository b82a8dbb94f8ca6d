"""A job's author writes a file that the checks read as one job and Helm as another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.tool.commands.test_commands import run

GOOD = """\
program: {command: [python3, train.py]}
worker: {replicas: 2, gpus: 1}
image: {repository: team/train, tag: "1.4"}
"""
EVIL = "worker: {replicas: 500, gpus: 64}\nimage: {registry: evil.example}\n"
POLICY = {"properties": {"worker": {"properties": {"gpus": {"maximum": 8}}}}}
INDENTED = "".join(f"  {line}\n" for line in EVIL.splitlines())

HIDDEN = {
    "a key to Helm 3 and a separator to Helm 4": f"{GOOD}---# settings of the team:\n{INDENTED}",
    "silenced key": f"{GOOD}# tfconfig: ignore[TFC010,TFC005] a comment\n---# settings of the team:\n{INDENTED}",
    "key of a map": f"{GOOD}env: {{A: b}}\n---#:\n{INDENTED}",
    "inside a string": f"{GOOD}env: {{A: 'x\n---# x\n{EVIL}#'}}\n",
    "second document": f"{GOOD}---\n{EVIL}",
    "silenced second document": f"{GOOD}# tfconfig: ignore[TFC002] two parts\n---\n{EVIL}",
    "second document after its end": f"{GOOD}...\n---\n{EVIL}",
    "second document after a directive": f"{GOOD}...\n%YAML 1.1\n---\n{EVIL}",
    "second document on the line of the separator": f"{GOOD}--- {{worker: {{gpus: 64}}}}\n",
    "first document of comments": f"---# x\n{GOOD}---# x: y\n{INDENTED}",
    "separators with Windows line ends": f"{GOOD}---# x:\r\n{INDENTED}",
    "a byte order mark": f"\ufeff{GOOD}---#x:\n{INDENTED}",
    "key twice": f"{GOOD}# tfconfig: ignore[TFC003]\n{EVIL}",
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("options", [(), ("--ignore", "TFC0"), ("--select", "TFC3")], ids=" ".join)
def test_nothing_hides_a_second_job_from_the_checks(text: str, options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(text, "utf-8", newline="")
    (tmp_path / "policy.json").write_text(json.dumps(POLICY), "utf-8")
    result = run("validate", "--policy", tmp_path / "policy.json", *options, tmp_path / "job.yaml")
    assert result.exit_code == 1, result.stdout
    assert " error TFC" in result.stdout


def test_harmless_separators_are_read_by_both_as_one_job(tmp_path: Path) -> None:
    for number, text in enumerate(
        [f"---\n{GOOD}", f"# comment\n---\n{GOOD}", f"--- # comment\n{GOOD}", f"{GOOD}# ---\n"]
    ):
        (tmp_path / f"{number}.yaml").write_text(text, "utf-8")
        result = run("validate", tmp_path / f"{number}.yaml")
        assert (result.exit_code, result.stdout) == (0, ""), text
