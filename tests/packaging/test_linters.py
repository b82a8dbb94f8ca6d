"""What linters of security find in the repository.

Their exceptions, with reasons: .github/zizmor.yml, pyproject.toml, and IGNORED here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.chart import helm

ROOT = Path(__file__).parents[2]
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"  # as in ci.yml
KUBE_SCORE = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"
GRADE_OK = 7  # below: a warning or critical
IGNORED = {
    "container-ephemeral-storage-request-and-limit": "what a training writes is its user's to say: resources",
    "container-image-pull-policy": "default tags are versions; Always would need the registry at each restart",
    "container-resources": "what a training needs is its user's to say: resources",
    "container-security-context-readonlyrootfilesystem": "training images write where they like; the others cannot",
    "container-security-context-user-group-id": "user 1000, whom the images know; nobody else's files",
    "deployment-replicas": "TensorBoard is one pod: nothing depends on it",
    "deployment-strategy": "TensorBoard is recreated: a ReadWriteOnce claim has room for one",
    "pod-networkpolicy": "egress is open by default: a training reads data from anywhere",
    "pod-probes": "tasks connect before they are ready, and the lifecycle watches over them and over itself",
    "statefulset-has-host-podantiaffinity": "tasks of a job may share a node: affinity, topologySpreadConstraints",
    "statefulset-has-poddisruptionbudget": "whether a drain waits for a training is the platform's to say",
}


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


@pytest.mark.timeout(1200)  # a first build takes minutes
def test_kube_score_finds_nothing_in_rendered_objects_but_what_is_decided() -> None:
    program = [own] if (own := shutil.which("kube-score")) else ["go", "run", KUBE_SCORE]
    if program[0] == "go" and not os.environ.get("CI"):
        pytest.skip(f"kube-score is not on PATH: go install {KUBE_SCORE}")
    everything = {"tensorboard": {"enabled": True}, "metrics": {"enabled": True}, "ps": {"replicas": 1}}
    objects = yaml.safe_dump_all(helm.render({**helm.PROGRAM, **everything}).objects)
    done = subprocess.run(
        [*program, "score", "-", "-o", "json"], input=objects, capture_output=True, text=True, check=False
    )
    found = {
        check["check"]["id"]
        for item in json.loads(done.stdout)
        for check in item["checks"]
        if not check["skipped"] and check["grade"] < GRADE_OK
    }
    assert found - set(IGNORED) == set()
