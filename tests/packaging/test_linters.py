"""What linters of security find in the repository. Their exceptions, with reasons: .github/zizmor.yml, pyproject.toml,
and IGNORED here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"  # as in ci.yml
KUBE_SCORE = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"


def finds(command: Sequence[str | Path], stdin: str = "") -> str:
    """What a linter prints; nothing where it finds nothing."""
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def go_run(tool: str, *words: str, stdin: str = "") -> str:
    """The same of a linter in Go, which is built once and then in Go's cache."""
    found = finds(["go", "run", tool, *words], stdin) if shutil.which("go") else "no go on PATH"
    network = ("no go on PATH", "dial tcp", "no such host", "proxyconnect", "i/o timeout")
    unavailable = any(problem in found for problem in network)
    if unavailable and not os.environ.get("CI"):
        pytest.skip(f"{tool} cannot be had here")
    return found


def test_zizmor_finds_nothing_in_workflows_and_action() -> None:
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists() and not os.environ.get("CI"):
        pytest.skip("zizmor is not installed")
    assert finds([program, "--offline", "--quiet", ".github", "action.yml"]) == ""


def test_bandit_finds_nothing_in_the_tool_and_the_pods() -> None:
    folders = ["tfconfig", "chart/files", "hack", "bench"]
    pytest.importorskip("bandit")
    assert finds([sys.executable, "-m", "bandit", "--quiet", "-c", "pyproject.toml", "-r", *folders]) == ""


def test_actionlint_finds_nothing_in_workflows() -> None:
    assert ACTIONLINT in (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    assert go_run(ACTIONLINT) == ""
