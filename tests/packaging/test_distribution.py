"""What `pip install` brings: the tool, with the chart and the in-pod program inside, from wheel and sdist."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = {str(path.relative_to(ROOT / "chart")) for path in (ROOT / "chart").rglob("*") if path.is_file()}
CHART = {name for name in CHART if "__pycache__" not in name}


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with just the wheel's content; dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel, cwd=folder)
    return folder


def tfconfig(installed: Path, *arguments: str) -> str:
    """The installed tool, away from the checkout."""
    where = "import tfconfig; print(tfconfig.__file__)"
    assert run(sys.executable, "-c", where, cwd=installed.parent, PYTHONPATH=str(installed)).startswith(str(installed))
    return run(sys.executable, "-m", "tfconfig", *arguments, cwd=installed.parent, PYTHONPATH=str(installed))


def test_the_wheel_has_the_whole_chart(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    prefix = "tfconfig/_chart/"
    with zipfile.ZipFile(wheel) as archive:
        found = {name[len(prefix) :] for name in archive.namelist() if name.startswith(prefix)}
        assert found == CHART
        for name in archive.namelist():
            if name.startswith("tfconfig/tensorflow_job/"):
                assert (
                    archive.read(name) == (ROOT / name.replace("tfconfig/tensorflow_job", "chart/files")).read_bytes()
                )
        assert not [name for name in archive.namelist() if "__pycache__" in name or name.startswith("tests")]


def test_the_sdist_has_what_building_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "chart/Chart.yaml", "tfconfig/cli.py"} <= found


def test_the_installed_tool_knows_its_chart(installed: Path, tmp_path: Path) -> None:
    told = Path(tfconfig(installed, "chart").strip())
    assert yaml.safe_load((told / "Chart.yaml").read_text())["name"] == "tensorflow-job"
    tfconfig(installed, "chart", "--export", str(tmp_path / "out"))
    assert (tmp_path / "out/templates/task/statefulset.yaml").is_file()
    assert (tmp_path / "out/files/task/task.py").is_file()


def test_the_installed_tool_validates_generates_and_runs(installed: Path) -> None:
    values = installed.parent / "values.yaml"
    values.write_text(
        "strategy: Custom\nprogram: {command: [sh, -c, 'echo hello $TASK_TYPE']}\n"
        "worker: {replicas: 1}\ncheckpoint: {enabled: false}\n"
    )
    tfconfig(installed, "init", "InGraph", "-f", str(installed.parent / "first.yaml"))
    assert "InGraph" in (installed.parent / "train.py").read_text("utf-8")
    tfconfig(installed, "validate", str(values))
    assert '"worker":["release-worker-0.release:2222"]' in tfconfig(installed, "generate", "-f", str(values))
    assert "worker-0 | hello worker" in tfconfig(installed, "run", "-f", str(values))


def test_the_version_is_one(built: Path, installed: Path) -> None:
    version = tfconfig(installed, "--version").split()[-1]
    assert version == yaml.safe_load((ROOT / "chart/Chart.yaml").read_text())["version"]
    assert {file.name.split("-")[1].removesuffix(".tar.gz") for file in built.iterdir()} == {version}


def test_the_wheel_tells_type_checkers_that_it_has_types(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "tfconfig/py.typed" in archive.namelist()
