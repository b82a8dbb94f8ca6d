"""A pull request whose files are to be checked: no code of it runs in the GitHub action, and what it gets is pinned."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.attacks import checkout as checkout_files
from tests.unit.tool.commands.test_commands import run

ROOT = Path(__file__).parents[2]
STEPS: list[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    checkout_files.hostile(folder, tmp_path / "owned")
    (folder / "values.yaml").write_text("worker: {replica: 3}\n")
    return folder


def step(number: int, checkout: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """What the runner does with a step of the action."""
    temp = checkout.parent / "temp"
    temp.mkdir(exist_ok=True)
    item = STEPS[number]
    given = {name: "" if "inputs" in text else text for name, text in item.get("env", {}).items()}
    cwd = temp if item.get("working-directory") == "${{ runner.temp }}" else checkout
    runner = {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(ROOT)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", item["run"]]
    merged = {**os.environ, **given, **runner, **environ}
    return subprocess.run(command, cwd=cwd, env=merged, capture_output=True, text=True, check=False, timeout=300)


def test_the_action_installs_and_runs_beside_the_code_of_the_pull_request(checkout: Path) -> None:
    for number in range(len(STEPS)):
        done = step(number, checkout, FILES="values.yaml", FORMAT="github")
        assert not (checkout.parent / "owned").exists(), done.stderr
        if re.search("No matching distribution|connection broken", done.stdout + done.stderr):
            pytest.skip("no package index here")
    assert "::error file=values.yaml,line=1," in done.stdout, done.stderr
    assert done.returncode == 1


def test_files_are_named_as_they_like(checkout: Path) -> None:
    checkout_files.name_hostile(checkout)
    installed = f"import sys; sys.path[0] = {str(ROOT)!r}; from tfconfig.cli import main; main()"
    fake(checkout, f'exec "{sys.executable}" -c "{installed}" "$@"')
    done = step(1, checkout, FORMAT="github", FILES="**/*values.yaml")
    assert done.returncode == 1, done.stderr
    reported = re.findall(r"(?m)^::error file=(.*?),line=1,", done.stdout)
    escaped = [re.sub("[%:,\n]", lambda found: f"%{ord(found[0]):02X}", name) for name in checkout_files.NAMES]
    assert set(reported) == {*escaped, "values.yaml"}
    commands = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(commands) == len(reported)
    assert not checkout_files.traces(checkout)
    assert not (checkout.parent / "owned").exists()


def test_a_file_that_is_named_like_an_option_is_no_option(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell's `*.yaml` and pre-commit bring it: in the middle of the options, with no `--` before it."""
    checkout_files.name_hostile(checkout)
    monkeypatch.chdir(checkout)
    for name in checkout_files.NAMES:
        done = run("validate", "--strict", "values.yaml", name)
        assert done.exit_code == (2 if name.startswith("-") else 1), done.output
        assert not name.startswith("-") or "is a file; write ./ before it" in done.output
        assert run("validate", "--", name).exit_code == 1
        assert run("validate", f"./{name}").exit_code == 1


def test_what_the_action_installs_is_pinned_by_hash_to_the_versions_that_are_tested() -> None:
    text = (ROOT / "requirements-action.txt").read_text("utf-8")
    wanted = re.findall(r"^([\w-]+==\S+)((?:.*\\\n)(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", text, re.MULTILINE)
    assert len(wanted) == text.count("==")
    tested = (ROOT / "requirements-dev.txt").read_text("utf-8").split()
    assert {version for version, _ in wanted} <= set(tested)


def test_a_file_is_not_written_through_a_link_of_the_pull_request(checkout: Path) -> None:
    target = checkout.parent / "target"
    target.write_text("keep")
    (checkout / "out.sarif").symlink_to(target)
    fake(checkout, 'echo "what was found"')
    done = step(1, checkout, FILES="values.yaml", FORMAT="sarif", OUTPUT="out.sarif")
    assert done.returncode == 0, done.stderr
    assert target.read_text() == "keep"
    assert (checkout / "out.sarif").read_text() == "what was found\n"


def test_messages_about_the_pull_request_are_no_commands_to_the_runner(checkout: Path) -> None:
    fake(checkout, "printf '::set-output name=a::b\\nat ##[add-mask]c\\n' >&2; exit 2")
    done = step(1, checkout, FILES="values.yaml", FORMAT="text")
    assert done.returncode == 2
    assert not re.search(r"(?m)^\s*::(?!error title=tfconfig::)|##\[", done.stdout + done.stderr)


def fake(checkout: Path, script: str) -> None:
    """A `tfconfig` that does this."""
    program = checkout.parent / "temp" / "tfconfig" / "bin" / "tfconfig"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
