"""What the repository's own tools read: the pinned versions, the pre-commit hooks, GitHub's files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = [
    Requirement(line)
    for line in (ROOT / "requirements-dev.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
# Python, and how TensorFlow is called there
PLATFORMS = [
    (python, system, machine)
    for python in ("3.10", "3.11", "3.12", "3.13")
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
]


@pytest.mark.parametrize(("python", "system", "machine"), PLATFORMS)
def test_every_dependency_has_one_pinned_version_on_each_platform(python: str, system: str, machine: str) -> None:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.99",
        "sys_platform": system,
        "platform_machine": machine,
    }

    def applies(requirement: Requirement) -> bool:
        return requirement.marker is None or requirement.marker.evaluate(environment)

    pinned: dict[str, str] = {}
    for requirement in filter(applies, LOCK):
        name = canonicalize_name(requirement.name)
        assert name not in pinned, f"{name} twice"
        (version,) = requirement.specifier
        assert version.operator == "=="
        pinned[name] = version.version
    wanted = [
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    ]
    for requirement in filter(applies, map(Requirement, wanted)):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not pinned; make lock"
        assert requirement.specifier.contains(pinned[name]), f"{requirement}, but {pinned[name]} is pinned; make lock"


def tracked(pattern: str, but: str) -> list[str]:
    """Files of the repository, as pre-commit would give them to a hook."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [file for file in done.stdout.splitlines() if re.search(pattern, file) and not re.search(but, file)]


def test_the_own_pre_commit_hook_finds_no_error_in_the_values_files_of_the_repository() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    (hook,) = [hook for hook in repository["hooks"] if hook["id"] == "tfconfig-validate"]
    assert hook["entry"] == ".venv/bin/tfconfig validate"
    files = tracked(hook["files"], hook["exclude"])
    assert "examples/digits/values.yaml" in files
    command = [sys.executable, "-m", "tfconfig", "validate", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_pre_commit_reads_its_configuration() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("dependabot", [GITHUB / "dependabot.yml"]),
        ("github-workflows", sorted((GITHUB / "workflows").iterdir())),
        ("github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
        ("github-issue-forms", [GITHUB / "ISSUE_TEMPLATE" / "bug.yml", GITHUB / "ISSUE_TEMPLATE" / "feature.yml"]),
    ],
)
def test_github_takes_its_files(schema: str, files: list[Path]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_dependabot_looks_at_folders_that_have_something_to_update() -> None:
    manifest = {
        "pip": "*requirements*.txt",
        "gomod": "go.mod",
        "docker": "*Dockerfile",
        "github-actions": ".github/workflows",
    }
    for update in yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            assert list(ROOT.glob(f".{folder}/{manifest[update['package-ecosystem']]}".replace("//", "/"))), folder


def test_each_promise_of_security_names_tests_that_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    tables = re.findall(r"^\| promise \| test \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    promises = [line for table in tables for line in table.splitlines()]
    assert len(promises) > 15
    for line in promises:
        assert re.search(r"`(tests/|python -m )", line), f"no test: {line}"
    for name in re.findall(r"`(tests/[^`]+)`", text):
        file, _, function = name.partition("::")
        source = ROOT / file
        assert source.is_file(), name
        assert f"def {function or 'test_'}" in source.read_text("utf-8"), name


# Files that must name where the project is published. Others link relatively, or use what is published.
WITH_OWNER = {
    ".github/ISSUE_TEMPLATE/config.yml", "README.md", "SECURITY.md", "artifacthub-repo.yml", "chart/Chart.yaml",
    "chart/README.md", "docs/ci.md", "docs/gitops.md", "mkdocs.yml", "pyproject.toml", "tfconfig/__init__.py",
}  # fmt: skip


def test_the_owner_is_named_only_where_a_file_needs_it_and_explained_once() -> None:
    found = {
        file
        for file in tracked("", r"^tests/|\.(gz|png)$|^tfconfig/tensorflow_job$")
        if re.search(r"\bOWNER\b", (ROOT / file).read_text("utf-8"))
    }
    assert found == WITH_OWNER
    assert "`OWNER` in this repository is" in (ROOT / "README.md").read_text("utf-8")
    from tfconfig import __url__

    assert PROJECT["urls"]["Source"] == __url__
