"""What a program may leave where PID 1 reads and writes: it waits for nothing, and takes a part of anything."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.task.conftest import PATIENCE_SECONDS, Container, descriptors, job, shell
from tfconfig.tensorflow_job.task import files, last_output, usage

pytestmark = pytest.mark.timeout(PATIENCE_SECONDS)
IN_THE_WAY: list[Callable[[Path], None]] = [
    os.mkfifo,
    lambda path: path.symlink_to("/dev/zero"),
    Path.mkdir,
]


def test_the_beginning_of_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("0123456789")
    assert files.read(str(tmp_path / "file"), 4) == (b"0123", (tmp_path / "file").stat().st_mtime)


@pytest.mark.parametrize("left", IN_THE_WAY)
def test_what_is_no_file_is_refused_at_once_and_not_held_open(tmp_path: Path, left: Callable[[Path], None]) -> None:
    left(tmp_path / "left")
    before = descriptors()
    with pytest.raises(OSError, match="not a regular file"):
        files.read(str(tmp_path / "left"), 4)
    assert descriptors() <= before


@pytest.mark.parametrize("left", [os.mkfifo, lambda path: path.symlink_to("/dev/full"), Path.touch])
def test_a_new_file_takes_the_place_of_what_is_there(tmp_path: Path, left: Callable[[Path], None]) -> None:
    left(tmp_path / "left")
    files.write(str(tmp_path / "left"), "text")
    assert (tmp_path / "left").is_file()
    assert not (tmp_path / "left").is_symlink()
    assert (tmp_path / "left").read_text() == "text"


@pytest.mark.parametrize("left", IN_THE_WAY)
def test_the_last_lines_are_not_shown_where_none_are_kept(
    tmp_path: Path, left: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / last_output.FOLDER).mkdir()
    left(tmp_path / last_output.FOLDER / last_output.FILE)
    last_output.show(str(tmp_path))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("left", IN_THE_WAY)
def test_gpus_tell_nothing_where_no_answer_is(
    tmp_path: Path, left: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = usage.Gpus(str(tmp_path / usage.GPU_FILE), ["true"])
    monkeypatch.setattr(usage, "GPU_SECONDS", 0.0)
    monkeypatch.setattr(os, "fork", lambda: 1 << 30)  # of no process that is there
    gpus.look()
    left(tmp_path / usage.GPU_FILE)
    gpus.look()
    assert gpus.document() == {}


@pytest.mark.parametrize(
    "left",
    [
        "mkfifo $0",
        "ln -s /dev/zero $0",
        "echo [] >$0",
        'echo \'{"code": "x", "why": 1}\' >$0',
        "head -c 100000 /dev/zero | tr '\\0' [ >$0",
    ],
)
def test_what_stands_in_for_the_marker_of_the_end_does_not_hold_up_the_next_container(
    container: Container, left: str
) -> None:
    script = shell(f"echo trained; {left}; exit 3")
    script["command"].append(str(container.state / "done.json"))
    container.write(job(program=script))
    assert container.run() == 3
    container.write(job(program=shell("echo again")))
    assert container.run() == 0
    assert "again" in container.output


def test_what_stands_in_for_the_marker_of_the_end_does_not_hold_up_the_end(container: Container) -> None:
    script = shell("mkfifo $0")
    script["command"].append(str(container.state / "done.json"))
    container.write(job(program=script))
    assert container.run() == 0
    assert (container.state / "done.json").is_file()


def test_the_file_of_the_end_of_what_is_printed_has_gaps_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / last_output.FOLDER).write_text("a file where a folder is to be")
    sink = last_output.sink(str(tmp_path))
    sink.put(b"lost\n")
    sink.close(PATIENCE_SECONDS)
    assert not any(thread is sink._thread for thread in threading.enumerate())
    assert capfd.readouterr().err == "", "there is no checkpoint volume, and nothing that anybody has to do"
