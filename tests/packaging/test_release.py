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
from hack import sbom
from tests.chart import helm, kubernetes

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


PUBLISHING = {"chart", "python", "github"}


def test_what_publishes_is_in_a_protected_environment_of_its_own_and_all_else_writes_nothing() -> None:
    environments = {name: job.get("environment") for name, job in RELEASE["jobs"].items() if "environment" in job}
    assert set(environments) == PUBLISHING
    assert len(set(environments.values())) == len(PUBLISHING)
    allowed = {"contents", "packages"}
    for name, job in RELEASE["jobs"].items():
        writes = {scope for scope, right in job.get("permissions", {}).items() if right == "write"}
        assert not writes & allowed or name in PUBLISHING


def test_the_build_has_no_identity_and_all_that_it_made_is_signed_and_attested() -> None:
    assert "permissions" not in RELEASE["jobs"]["build"]
    attest = RELEASE["jobs"]["attest"]["steps"]
    subjects = [one["with"]["subject-path"].split() for one in attest if "subject-path" in one.get("with", {})]
    assert subjects == [["dist/chart/*", "dist/python/*"]] * 2, "provenance and SBOM"
    (sign,) = [one["run"] for one in attest if "sign-blob" in one.get("run", "")]
    assert "for file in dist/chart/* dist/python/* dist/sbom.cdx.json" in sign
    assert "signatures/*" in RELEASE["jobs"]["github"]["steps"][-1]["run"]


def test_the_sbom_names_what_is_installed_and_the_images_of_the_chart() -> None:
    installed = [{"metadata": {"name": name, "version": "1"}} for name in ("tfconfig", "click", "PyYAML", "pip")]
    found = sbom.document({"installed": installed}, yaml.safe_load((ROOT / "chart/Chart.yaml").read_text("utf-8")))
    assert found["metadata"]["component"]["name"] == "tfconfig"
    names = [component["name"] for component in found["components"]]
    assert names[:2] == ["click", "PyYAML"]
    assert names[2:] == [image.rpartition(":")[0] for image in images()]
    assert all(component["purl"].startswith("pkg:") for component in found["components"])


def images() -> list[str]:
    """The images that Artifact Hub shows for the chart."""
    chart = yaml.safe_load((ROOT / "chart/Chart.yaml").read_text("utf-8"))
    return [item["image"] for item in yaml.safe_load(chart["annotations"]["artifacthub.io/images"])]


def test_the_images_of_the_chart_are_those_that_it_runs_by_default() -> None:
    rendered = helm.render({**helm.PROGRAM, "tensorboard": {"enabled": True}})
    pods = [template["spec"] for _, template in kubernetes.pod_templates(rendered)]
    assert set(images()) == {container["image"] for pod in pods for container in pod["containers"]}
    listed = (ROOT / "docs/air-gapped.md").read_text("utf-8")
    assert [image for image in images() if f"`{image}`" not in listed] == []


def test_nothing_is_published_before_every_test_has_passed() -> None:
    for name in ("chart", "python"):
        assert {"everyday", "cluster", "build"} <= set(RELEASE["jobs"][name]["needs"])
    for called in ("everyday", "cluster"):
        workflow = yaml.safe_load((ROOT / RELEASE["jobs"][called]["uses"]).read_text("utf-8"))
        assert "workflow_call" in workflow[True]  # YAML 1.1 reads the key `on` so
