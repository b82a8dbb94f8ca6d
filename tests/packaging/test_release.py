"""The release workflow: its own scripts are run here, as far as they need nothing of GitHub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import tfconfig

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
RELEASE: dict[str, Any] = yaml.safe_load((WORKFLOWS / "release.yml").read_text("utf-8"))


def step(folder: Path, name: str, tag: str) -> subprocess.CompletedProcess[str]:
    """A step of the job `build`, run in a copy of what it reads."""
    for file in ("tfconfig/__init__.py", "CHANGELOG.md", "chart/Chart.yaml"):
        (folder / file).parent.mkdir(exist_ok=True)
        if not (folder / file).exists():
            shutil.copy(ROOT / file, folder / file)
    (script,) = (one["run"] for one in RELEASE["jobs"]["build"]["steps"] if one.get("name") == name)
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "GITHUB_REF_NAME": tag},
        capture_output=True,
        text=True,
        check=False,
    )


def test_chart_and_tool_have_one_version(tmp_path: Path) -> None:
    done = step(tmp_path, "Tag and versions are the same", f"v{tfconfig.__version__}")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("spoiled", ["the tag", "tfconfig/__init__.py", "chart/Chart.yaml"])
def test_nothing_is_built_from_a_tag_that_is_not_the_version(spoiled: str, tmp_path: Path) -> None:
    tag = f"v{tfconfig.__version__}"
    if spoiled == "the tag":
        tag = "v99.0.0"
    else:
        (tmp_path / spoiled).parent.mkdir(exist_ok=True)
        text = (ROOT / spoiled).read_text("utf-8")
        (tmp_path / spoiled).write_text(re.sub(r"(?m)^(__version__ =|version:) .*", r'\1 "99.0.0"', text))
    done = step(tmp_path, "Tag and versions are the same", tag)
    assert done.returncode == 1
    assert f"the tag is {tag}" in done.stdout


def test_the_notes_are_those_of_the_version_alone(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.1.0\n\n- new\n\n## 1.0.0 (2026-01-01)\n\n- old\n")
    assert step(tmp_path, "Release notes from CHANGELOG.md", "v1.0.0").returncode == 0
    assert (tmp_path / "dist" / "notes.md").read_text().split() == ["-", "old"]
    done = step(tmp_path, "Release notes from CHANGELOG.md", "v1.0")
    assert (done.returncode, "says nothing about v1.0" in done.stdout) == (1, True)


def test_nothing_is_published_before_every_test_has_passed() -> None:
    for name in ("chart", "python"):
        assert {"everyday", "cluster", "build"} <= set(RELEASE["jobs"][name]["needs"])
    for called in ("everyday", "cluster"):
        workflow = yaml.safe_load((ROOT / RELEASE["jobs"][called]["uses"]).read_text("utf-8"))
        assert "workflow_call" in workflow[True]  # YAML 1.1 reads the key `on` so
