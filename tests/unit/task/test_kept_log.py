"""logs.persist: the same bytes in the output and in the file, and a program that no volume can hold up."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.job_specs import changed
from tests.unit.task.conftest import PATIENCE_SECONDS, RUN, Container, descriptors, job, shell
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.kept_log import BUFFER_BYTES, File


def kept(container: Container, script: str, max_bytes: int = 1 << 20, files: int = 3) -> JobSpec:
    """job.json of a worker whose output is kept; its checkpoint folder is beside the pod's."""
    folder = str(container.state.parent / "checkpoints")
    return job(program=shell(script), checkpointDir=folder, logs={"maxBytes": max_bytes, "files": files})


def log_of(container: Container) -> Path:
    return container.state.parent / "checkpoints/logs" / RUN / "worker-0.log"


def test_the_output_is_the_same_in_both_places_byte_by_byte(container: Container, tmp_path: Path) -> None:
    blob = random.Random(1).randbytes(3_000_000)
    (tmp_path / "blob").write_bytes(blob)
    container.write(kept(container, f"cat {tmp_path / 'blob'}; printf end", max_bytes=1 << 30))
    assert container.run() == 0
    assert container.output_file.read_bytes().endswith(blob + b"end")
    assert log_of(container).read_bytes() == container.output_file.read_bytes()


def test_standard_output_and_error_stay_apart_and_both_are_kept(container: Container) -> None:
    container.write(kept(container, "echo out; echo err >&2"))
    done = subprocess.run(container.task(), capture_output=True, check=False, timeout=20)
    assert done.stdout == b"out\n"
    assert done.stderr.endswith(b"err\n")
    assert {b"out", b"err"} < set(log_of(container).read_bytes().splitlines())


def test_where_both_go_to_one_place_their_order_stays(container: Container) -> None:
    container.write(kept(container, "for i in $(seq 200); do echo o$i; echo e$i >&2; done"))
    assert container.run() == 0
    printed = [f"{stream}{number}" for number in range(1, 201) for stream in "oe"]
    assert container.output.splitlines()[-400:] == printed
    assert log_of(container).read_text().splitlines()[-400:] == printed


def test_the_status_is_the_programs_and_its_last_lines_are_kept(container: Container) -> None:
    container.write(kept(container, "echo last words; kill -9 $$"))
    assert container.run() == 137
    assert container.output.endswith("last words\n")
    assert log_of(container).read_text().endswith("last words\n")


def test_a_line_is_seen_when_it_is_printed(container: Container) -> None:
    container.write(kept(container, "echo ready; sleep 60"))
    container.start()
    container.wait_for("\nready\n")


def test_a_container_that_comes_again_goes_on_in_the_same_file(container: Container) -> None:
    container.write(kept(container, "echo try; exit 1"))
    for _ in range(2):
        assert container.run() == 1
    assert log_of(container).read_text().count("try\n") == 2


@pytest.mark.parametrize("files", [1, 3])
def test_old_output_makes_room_for_new_at_the_end_of_a_line(container: Container, files: int) -> None:
    container.write(kept(container, 'for i in $(seq 20000); do echo "line $i of many"; done', 32768, files))
    assert container.run() == 0
    parts = sorted(log_of(container).parent.iterdir())
    assert len(parts) == files
    assert all(part.stat().st_size < 32768 + len("line 20000 of many\n") for part in parts)
    assert all(part.read_bytes().endswith(b"\n") for part in parts)
    text = "".join(part.read_text() for part in [*sorted(parts[1:], reverse=True), parts[0]])
    assert container.output.endswith(text)


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=40), st.data())
def test_where_a_part_ends_does_not_depend_on_how_the_output_was_cut_on_its_way(lines: list[bytes], data: Any) -> None:
    text = b"".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole, cut = parts_of([text], 50), parts_of(pieces, 50)
    assert cut == whole
    assert b"".join(cut) == text
    assert all(50 <= len(part) < 50 + 31 and part.endswith(b"\n") for part in cut[:-1])


def test_a_line_without_end_is_cut_at_twice_the_size_of_a_part() -> None:
    assert list(map(len, parts_of([b"x" * 70, b"x" * 150, b"\n"], 50))) == [100, 100, 21]


def parts_of(pieces: list[bytes], max_bytes: int) -> list[bytes]:
    """The parts that a file consists of after these pieces, the oldest first."""
    with tempfile.TemporaryDirectory() as folder:
        before = descriptors()
        file = File(folder, "log", max_bytes, 100)
        for piece in pieces:
            file.put(piece)
        file.close(10.0)
        assert descriptors() <= before
        found = sorted(Path(folder).iterdir(), key=lambda path: int(path.suffix[1:] or 0), reverse=True)
        return [path.read_bytes() for path in found]


def test_a_volume_that_hangs_holds_up_nothing(container: Container) -> None:
    log_of(container).parent.mkdir(parents=True)
    os.mkfifo(log_of(container))  # to open it waits for a reader, for ever
    script = f"head -c {2 * BUFFER_BYTES} /dev/zero | tr '\\0' x; echo; echo trained"
    container.write(kept(container, script))
    assert container.run() == 0  # and does not wait for ever
    assert "x\ntrained\n" in container.output
    assert container.output.count("the log on the checkpoint volume has gaps: the volume does not keep up") == 1


def test_a_volume_that_refuses_holds_up_nothing_and_is_reported_once(container: Container) -> None:
    (container.state.parent / "checkpoints").mkdir()
    (container.state.parent / "checkpoints/logs").write_text("a file where a folder is to be")
    container.write(kept(container, "for i in $(seq 50); do echo $i; sleep 0.01; done"))
    assert container.run() == 0
    assert container.output.count("the volume refuses it: Not a directory. Training goes on") == 1
    lines = [line for line in container.output.splitlines() if not line.startswith("tensorflow-job")]
    assert lines[-50:] == [str(number) for number in range(1, 51)]


def test_what_is_missing_is_reported_in_the_file_when_the_volume_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfconfig.tensorflow_job.task.kept_log.RETRY_SECONDS", 0.0)
    (tmp_path / "logs").write_text("")
    file = File(str(tmp_path), "logs/a.log", 1000, 2)
    file.put(b"lost\n")
    until = time.monotonic() + PATIENCE_SECONDS
    while file._lost == 0:
        assert time.monotonic() < until
        time.sleep(0.01)
    (tmp_path / "logs").unlink()
    file.put(b"kept\n")
    file.close(5.0)
    assert (tmp_path / "logs/a.log").read_text() == "\n[tensorflow-job: 5 bytes are missing here]\nkept\n"


def test_a_copying_process_that_is_killed_is_started_again(container: Container) -> None:
    container.write(kept(container, "echo ready; for i in $(seq 100); do echo $i; sleep 0.02; done"))
    process = container.start()
    container.wait_for("\nready")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (copier,) = (int(pid) for pid in children if b"\0run\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(copier, signal.SIGKILL)
    assert process.wait(PATIENCE_SECONDS) == 0
    lines = container.output.splitlines()
    assert set(map(str, range(50, 101))) <= set(lines)
    assert log_of(container).read_text().endswith("100\n")


def test_sigterm_reaches_the_program_and_what_it_then_prints_is_kept(container: Container) -> None:
    container.write(kept(container, 'trap "echo saved; exit 5" TERM; echo ready; sleep 60 & wait'))
    process = container.start()
    container.wait_for("\nready")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 5
    assert container.output.endswith("saved\n")
    assert log_of(container).read_text().endswith("saved\n")


def test_what_a_program_leaves_behind_does_not_hold_up_the_end(container: Container) -> None:
    container.write(kept(container, "setsid sh -c 'while :; do echo more; sleep 0.01; done' & echo $!; exit 3"))
    assert container.run() == 3  # and does not wait for what prints on and on
    for word in container.output.split():
        if word.isdecimal():
            os.kill(int(word), signal.SIGKILL)


@pytest.mark.parametrize("changes", [{"logs": None}, {"checkpointDir": ""}])
def test_without_persisted_logs_the_program_prints_straight_to_where_the_task_does(
    container: Container, changes: dict[str, Any]
) -> None:
    container.write(changed(kept(container, "readlink /proc/self/fd/1; echo end"), **changes))
    assert container.run() == 0
    assert str(container.output_file) in container.output
    assert not log_of(container).exists()
