"""A program leaves symbolic links on the checkpoint volume: what the chart's own code writes does not follow them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.task.conftest import job
from tfconfig.tensorflow_job.task import checkpoints
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.kept_log import File

TASK = Path(__file__).resolve().parents[2] / "chart/files/task"
WORKER = Task("worker", 0)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of somebody else on the same volume, with a checkpoint."""
    folder = tmp_path / "volume/victim"
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_text("weights")
    return folder


@pytest.fixture
def mine(victim: Path) -> Path:
    """The folder that the program may write to."""
    folder = victim.parent / "mine"
    folder.mkdir()
    return folder


def tree(folder: Path) -> dict[str, str]:
    """All that is in a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("logs", "../victim"),
        ("logs/run1", "../../victim"),
        ("logs/run1/chief-0.log", "../../../victim/checkpoint"),
        ("logs/run1/chief-0.log", "../../../victim/new"),
    ],
)
def test_the_writer_of_logs_stays_in_its_folder(mine: Path, victim: Path, link: str, target: str) -> None:
    before = tree(victim)
    (mine / link).parent.mkdir(parents=True, exist_ok=True)
    (mine / link).symlink_to(target)
    file = File(str(mine), "logs/run1/chief-0.log", 1000, 2)
    file.put(b"written elsewhere\n")
    file.close(10.0)
    assert tree(victim) == before


def test_a_log_that_is_rotated_replaces_a_link_and_not_what_it_points_to(mine: Path, victim: Path) -> None:
    before = tree(victim)
    (mine / "logs").mkdir()
    (mine / "logs/a.log.1").symlink_to("../../victim/checkpoint")
    file = File(str(mine), "logs/a.log", 10, 2)
    file.put(b"a first line\na second line\n")
    file.close(10.0)
    assert (mine / "logs/a.log.1").read_text() == "a first line\n"
    assert tree(victim) == before


@pytest.mark.parametrize(
    "link", [".tensorflow-job", ".tensorflow-job/done", ".tensorflow-job/done/run1 begun/worker-0"]
)
def test_the_mark_of_a_task_that_is_done_stays_in_its_folder(mine: Path, victim: Path, link: str) -> None:
    before = {str(path) for path in victim.rglob("*")}
    (mine / link).parent.mkdir(parents=True, exist_ok=True)
    (mine / link).symlink_to(victim if link != ".tensorflow-job/done/run1 begun/worker-0" else victim / "checkpoint-2")
    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        checkpoints.mark(job(checkpointDir=str(mine), runId="run1"), "begun", WORKER)
    assert {str(path) for path in victim.rglob("*")} == before


def folder(mode: str, volume: Path, path: str) -> subprocess.CompletedProcess[str]:
    """What the init container runs."""
    command = [sys.executable, "-S", "-B", str(TASK), "folder", mode, str(volume), path]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


def test_a_folder_is_made_in_the_volume_and_found_again(mine: Path) -> None:
    for _ in range(2):
        done = folder("make", mine.parent, "runs/one")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (mine.parent / "runs/one").is_dir()
    assert folder("await", mine.parent, "runs/one").returncode == 0


@pytest.mark.parametrize("mode", ["make", "await"])
@pytest.mark.parametrize("path", ["mine/runs", "mine/runs/one"])
def test_no_folder_is_made_or_mounted_through_a_link(mine: Path, victim: Path, mode: str, path: str) -> None:
    (mine / "runs").symlink_to("../victim")
    done = folder(mode, mine.parent, path)
    assert done.returncode == 1
    assert f"cannot open or make the folder {path} on the checkpoint volume" in done.stdout + done.stderr
    assert (
        f"writable for user {os.getuid()}, and no part of the path may be a symbolic link" in done.stdout + done.stderr
    )
    assert tree(victim) == {"checkpoint": "weights"}


def test_who_only_reads_waits_for_the_folder_and_makes_none(mine: Path) -> None:
    command = [sys.executable, "-S", "-B", str(TASK), "folder", "await", str(mine.parent), "mine/later"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as waiting:
        assert waiting.stdout is not None
        assert "waiting until a task of the job makes the folder mine/later" in waiting.stdout.readline()
        assert not (mine / "later").exists()
        (mine / "later").mkdir()
        assert waiting.wait(20) == 0
