"""Progress of a program that reports none: seen at its output, its event files and the names of its checkpoints."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.task.conftest import PATIENCE_SECONDS, Container, job, shell, wait_until
from tests.unit.task.test_event_files import HEAD, simple, tensor
from tfconfig.tensorflow_job.task import progress
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.messages import REACHED
from tfconfig.tensorflow_job.task.watch import Folder, Watch, saved_step

ALL = ["output", "tensorboard", "checkpoints"]


def watched(script: str, sources: list[str] | None = None, pattern: str = "", **changes: Any) -> JobSpec:
    looked_at = {"sources": ALL if sources is None else sources, "pattern": pattern}
    return job(program=shell(script), progress=looked_at, **changes)


def reached(container: Container) -> dict[str, Any]:
    """What the termination message says of the program's progress."""
    assert container.message.startswith(REACHED), container.output
    said: dict[str, Any] = json.loads(container.message[len(REACHED) :])
    return said


def until_seen(container: Container, step: int) -> None:
    def seen() -> bool:
        latest = progress.latest(str(container.state))
        return latest is not None and latest["step"] == step

    wait_until(seen, lambda: container.output)


def test_what_a_program_prints_is_its_progress(container: Container) -> None:
    container.write(watched("echo 'step 3 of 9: loss 0.5, auc: 0.25'; until test -e $TMPDIR/end; do sleep 0.05; done"))
    container.start(TMPDIR=str(container.state))
    until_seen(container, 3)
    (container.state / "end").touch()
    assert container.processes[0].wait(PATIENCE_SECONDS) == 0
    said = reached(container)
    assert (said["step"], said["total"], said["loss"], said["metrics"]) == (3, 9, 0.5, {"auc": 0.25})
    assert said["source"] == "output"


def test_its_last_line_is_seen_although_it_ends_at_once(container: Container) -> None:
    container.write(watched("echo 'step 9 of 9: loss 0.5'"))
    assert container.run() == 0
    assert reached(container)["step"] == 9


@pytest.mark.parametrize("end", ["\\r", ""])
def test_a_last_bar_without_an_end_is_seen(container: Container, end: str) -> None:
    container.write(watched(f"printf '\\rstep 8 of 9: loss 0.5\\rstep 9 of 9: loss 0.25{end}'"))
    assert container.run() == 0
    assert reached(container)["step"] == 9


def test_its_output_stays_as_it_is_byte_by_byte(container: Container, tmp_path: Path) -> None:
    blob = os.urandom(1_000_000) + b"\r\b\x1b[1m1/2\x1b[0m"
    (tmp_path / "blob").write_bytes(blob)
    container.write(watched(f"cat {tmp_path / 'blob'}; printf end >&2"))
    done = subprocess.run(container.task(), capture_output=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.stdout == blob
    assert done.stderr.endswith(b"end")


def test_what_the_program_reports_itself_counts_more(container: Container) -> None:
    container.write(watched("echo 'step 9 of 9: loss 1'; echo '{\"step\": 5}' >$TASK_PROGRESS_FILE"))
    assert container.run() == 0
    assert reached(container)["step"] == 5


@pytest.mark.parametrize(
    ("sources", "change"),
    [([], {}), (["checkpoints"], {}), (["output"], {"chief": 1})],
    ids=["off", "other sources", "another task reports"],
)
def test_output_that_nobody_asked_to_look_at_is_not_copied(
    container: Container, sources: list[str], change: dict[str, int]
) -> None:
    """The program prints straight to where the container's output goes."""
    spec = watched("readlink /proc/self/fd/1; echo 'step 9 of 9: loss 1'", sources)
    if change:
        spec["completion"]["successPolicy"] = "Chief"
    container.write(spec)
    assert container.run() == 0
    assert str(container.output_file) in container.output
    assert container.message == ""


def test_a_pattern_that_never_ends_is_given_up_and_holds_up_nothing(container: Container) -> None:
    script = f"echo {'a' * 60}b; echo it 5; echo trained"
    container.write(watched(script, ["output"], pattern=r"^(a+)+$|it (?P<step>\d+)"))
    assert container.run() == 0
    assert "progress.pattern takes too long" in container.output
    assert "trained" in container.output


def test_a_folder_tells_of_what_is_new_in_it(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "eval").mkdir()
    (tmp_path / "ckpt-900.index").touch()
    (tmp_path / "train/events.out.tfevents.1.old").write_bytes(HEAD + simple(900, loss=0.0))
    folder = Folder(str(tmp_path), ALL)
    folder.look()
    assert folder.documents == {}, "what was there before the program"
    (tmp_path / "ckpt-30.index").touch()
    (tmp_path / "ckpt-30.data-00000-of-00001").touch()
    folder.look()
    assert folder.documents == {"checkpoints": {"step": 30, "source": "checkpoints"}}
    (tmp_path / "eval/events.out.tfevents.2.x").write_bytes(HEAD + simple(5000, loss=9.0))
    (tmp_path / "train/events.out.tfevents.3.x").write_bytes(HEAD + simple(40, loss=0.5))
    folder.look()
    with (tmp_path / "train/events.out.tfevents.3.x").open("ab") as file:
        file.write(tensor(50, "epoch_auc", 0.75))
    folder.look()
    assert folder.documents["tensorboard"] == {
        "step": 50, "loss": 0.5, "rate": None, "metrics": {"auc": 0.75}, "source": "tensorboard",
    }  # fmt: skip


@pytest.fixture
def closed_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of another user, whoever runs the tests."""
    closed, scandir = tmp_path / "lost+found", os.scandir
    closed.mkdir()

    def scan(path: str) -> Any:
        if path == str(closed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    return closed


@pytest.mark.usefixtures("closed_folder")
def test_a_folder_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path), ALL)
    folder.look()
    (tmp_path / "train").mkdir()
    (tmp_path / "train/ckpt-30.index").touch()
    (tmp_path / "events.out.tfevents.3.x").write_bytes(HEAD + simple(40, loss=0.5))
    folder.look()
    assert {source: document["step"] for source, document in folder.documents.items()} == {
        "checkpoints": 30,
        "tensorboard": 40,
    }


def test_where_the_folder_itself_cannot_be_read_nothing_is_known_yet(closed_folder: Path) -> None:
    folder = Folder(str(closed_folder), ALL)
    folder.look()
    assert not folder.looked


def test_a_folder_that_goes_during_the_first_look_makes_nothing_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ckpt-900.index").touch()
    saving, scandir = tmp_path / "saving", os.scandir
    saving.mkdir()

    def scan(path: str) -> Any:
        if path == str(saving):
            saving.rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    folder = Folder(str(tmp_path), ALL)
    folder.look()
    assert not saving.exists()
    folder.look()
    assert folder.documents == {}


def test_a_program_that_only_saves_is_seen_by_its_checkpoints(tmp_path: Path) -> None:
    """The last look is after its end."""
    watch = Watch(watched("true", checkpointDir=str(tmp_path / "saved")), str(tmp_path))
    (tmp_path / "saved").mkdir()
    wait_until(lambda: watch.folder and watch.folder.looked)
    (tmp_path / "saved/model.ckpt-1200.index").touch()
    watch.close(PATIENCE_SECONDS)
    seen = progress.latest(str(tmp_path))
    assert seen
    assert (seen["step"], seen["source"]) == (1200, "checkpoints")


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("ckpt-1200.index", 1200),
        ("model.ckpt-1200.index", 1200),
        ("ckpt-7", 7),
        ("checkpoint-1200", 1200),
        ("weights.03-0.48.h5", 3),
        ("weights.12.weights.h5", 12),
        ("my_model_epoch_05.keras", 5),
        ("cp-0005.ckpt.index", 5),
        ("model-300.keras", 300),
        ("model.ckpt-1200.data-00000-of-00002", None),
        ("model.ckpt-1200.meta", None),
        ("checkpoint", None),
        ("saved_model.pb", None),
        ("1700000000", None),
        ("events.out.tfevents.1700000000.host", None),
        ("model.keras", None),
        ("graph.pbtxt", None),
        ("ckpt-1200_temp", None),
        ("model_20261128.keras", None),
        ("weights_20261128-160000.h5", None),
        ("model-2026-11-28.h5", None),
        ("ckpt-2026", 2026),
    ],
)
def test_steps_in_names_of_checkpoints(name: str, step: int | None) -> None:
    assert saved_step(name) == step


def test_the_output_is_looked_at_for_a_small_part_of_the_time(tmp_path: Path) -> None:
    """What comes when that is used up is not looked at, and costs nothing."""
    watch = Watch(watched("true", ["output"]), str(tmp_path))
    watch.put(b"step 1 of 9: loss 1\n")
    watch.spent = 1000.0
    watch.put(b"step 2 of 9: loss 1\n")
    assert watch.spent == 1000.0
    watch.close(PATIENCE_SECONDS)
    seen = progress.latest(str(tmp_path))
    assert seen
    assert seen["step"] == 1


def test_the_last_line_is_looked_at_although_there_was_no_time_for_those_before_it(tmp_path: Path) -> None:
    """A program that succeeded is not shown at 92 %."""
    watch = Watch(watched("true", ["output"]), str(tmp_path))
    watch.spent = 1000.0
    for step in range(1, 1001):
        watch.put(f"step {step} of 1000: loss 1\n".encode())
    watch.close(PATIENCE_SECONDS)
    seen = progress.latest(str(tmp_path))
    assert seen
    assert seen["step"] == 1000
