"""The checkpoint folder: what was written there, why it cannot be made. A folder of a real pod: test_task.py."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from tests.unit.task.conftest import descriptors, job
from tfconfig.tensorflow_job.task import checkpoints
from tfconfig.tensorflow_job.task.task import why_no_folder


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_checkpoint_volume_that_is_full_is_reported_as_such(number: int) -> None:
    told = why_no_folder("/checkpoints/j", OSError(number, os.strerror(number)))
    assert told.startswith(f"cannot make the checkpoint folder /checkpoints/j: {os.strerror(number)}. Delete ")
    assert "fsGroup" not in told


def test_a_volume_of_somebody_else_is_reported_as_such() -> None:
    told = why_no_folder("/checkpoints/j", OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert "Permission denied. The volume must be writable for user" in told


@pytest.mark.parametrize("files", [0, 3, checkpoints.MAX_ENTRIES + 5])
@pytest.mark.parametrize("written", ["zz-99.index", "zz/model-99.index"])
def test_a_new_file_is_noticed_however_many_there_are(tmp_path: Path, files: int, written: str) -> None:
    folder = tmp_path / "checkpoints"
    (folder / "zz").mkdir(parents=True)
    for number in range(files):
        (folder / f"model-{number}").touch()
    document = job(checkpointDir=str(folder))
    checkpoints.note(document, str(tmp_path))
    assert not checkpoints.is_changed(document, str(tmp_path))
    assert checkpoints.is_empty(document) is (files == 0)
    (folder / written).touch()
    assert checkpoints.is_changed(document, str(tmp_path))
    assert not checkpoints.is_empty(document)


def test_a_volume_that_hangs_holds_up_the_end_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LIMIT_SECONDS", 0.1)
    hangs = threading.Event()
    assert checkpoints.ask(lambda: {"never": hangs.wait()}) == {}


def test_a_question_leaves_no_descriptor_behind() -> None:
    before = descriptors()
    assert checkpoints.ask(lambda: {"empty": True}) == {"empty": True}
    assert checkpoints.ask(lambda: {"size": Path("/no/folder").stat().st_size}) == {}
    assert descriptors() <= before
