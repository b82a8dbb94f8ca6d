"""A pull request whose files are to be checked: no code of it runs in the GitHub action, and what it gets is pinned."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STEPS: list[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]
OWNED = (
    "import os\nopen(os.environ['OWNED'], 'a').write(__name__)\nraise SystemExit('a module of the pull request ran')\n"
)
# What the steps name, and what these import.
MODULES = [
    "venv",
    "pip",
    "ensurepip",
    "sitecustomize",
    "usercustomize",
    "os",
    "json",
    "shlex",
    "tfconfig",
    "click",
    "yaml",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for module in MODULES:
        (folder / f"{module}.py").write_text(OWNED)
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'pip'\nbackend-path = ['.']\n"
    )
    (folder / "values.yaml").write_text("worker: {replica: 3}\n")
    return folder


def step(number: int, checkout: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """What the runner does with a step of the action."""
    temp = checkout.parent / "temp"
    temp.mkdir(exist_ok=True)
    item = STEPS[number]
    given = {name: "" if "inputs" in text else text for name, text in item.get("env", {}).items()}
    cwd = temp if item.get("working-directory") == "${{ runner.temp }}" else checkout
    runner = {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(ROOT), "OWNED": str(temp / "owned")}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", item["run"]]
    merged = {**os.environ, **given, **runner, **environ}
    return subprocess.run(command, cwd=cwd, env=merged, capture_output=True, text=True, check=False, timeout=300)


def test_the_action_installs_and_runs_beside_the_code_of_the_pull_request(checkout: Path) -> None:
    for number in range(len(STEPS)):
        done = step(number, checkout, FILES="values.yaml", FORMAT="github")
        assert not (checkout.parent / "temp" / "owned").exists(), done.stderr
        if re.search("No matching distribution|connection broken", done.stdout + done.stderr):
            pytest.skip("no package index here")
    assert "::error file=values.yaml,line=1," in done.stdout, done.stderr
    assert done.returncode == 1


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
