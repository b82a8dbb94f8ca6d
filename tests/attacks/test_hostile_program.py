"""A program, and what it prints, stalls and crashes neither PID 1, the lifecycle, nor those who look at its job."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.unit.task.conftest import Container, job, shell
from tfconfig.tensorflow_job.lifecycle import drawn, error_lines, known_failures, last_lines, progress_client
from tfconfig.tensorflow_job.lifecycle.kubernetes import LOG_BYTES
from tfconfig.tensorflow_job.lifecycle.reports import reported
from tfconfig.tensorflow_job.lifecycle.text import progress_text
from tfconfig.tensorflow_job.task import progress
from tfconfig.tensorflow_job.task.event_files import EventFile
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.printed import Printed

HALF = LOG_BYTES // 2
LINES = {
    "a cursor that moves by 5,000 digits": "\x1b[" + "9" * 5000 + "P",
    "a long line that is cut again and again": "x" * HALF + "\r" + "\x1b[P" * (HALF // 3),
    "a long line that is erased again and again": "\x1b[10000Cx" + "\x1b[1K" * (LOG_BYTES // 4),
    "a long line that is drawn over again and again": "x" * HALF + "\ry" * (HALF // 2),
    "links that do not end": "\x1b]" * HALF,
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_the_last_lines_of_a_program_are_read_in_short_time(line: str) -> None:
    begun = time.process_time()
    last_lines.tail(line, 20)
    error_lines.last_line(line)
    known_failures.advice(line, 1)
    assert time.process_time() - begun < 5


def test_a_line_is_shown_without_the_controls_of_either_set() -> None:
    assert drawn.shown("a\x9b31mb\x1b[31mc\x07") == "a31mbc"


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e308])
def test_any_speed_can_be_shown(rate: float) -> None:
    document = progress.parse(json.dumps({"step": 0, "total": 1 << 62, "rate": rate}).encode())
    assert document
    text = progress_text(reported(Task("worker", 0), document, 1e9))
    assert text == f"step 0 of 4611686018427387904 (0 %), {rate:.3g} steps/s"


def test_who_answers_byte_by_byte_holds_up_no_lifecycle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_client, "ANSWER_SECONDS", 0.2)
    hung_up = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def drip() -> None:
            with server.accept()[0] as connection, suppress(OSError):
                while not hung_up.wait(0.05):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(TimeoutError):
                progress_client.ask("127.0.0.1", "worker-0", "1", server.getsockname()[1])
        finally:
            hung_up.set()
            thread.join()


def test_a_pipe_in_the_place_of_a_file_holds_up_nobody(tmp_path: Path) -> None:
    for name in (progress.FILE, "x.tfevents.1"):
        os.mkfifo(tmp_path / name)
    assert progress.latest(str(tmp_path)) is None
    with pytest.raises(OSError, match="not seekable"):  # which watch.py expects
        EventFile(str(tmp_path / "x.tfevents.1")).read_more()
    writer = os.open(tmp_path / progress.FILE, os.O_RDWR)  # somebody who says nothing
    try:
        assert progress.latest(str(tmp_path)) is None
    finally:
        os.close(writer)


@pytest.mark.parametrize("line", ["1/2 - 9%s ms/step" % ("9" * 400), "step 1e999", "step nan", "step 5 of 1e999"])
def test_no_number_ends_the_process_that_copies_the_output(line: str) -> None:
    for pattern in ("", r"step (?P<step>\S+)(?: of (?P<total>\S+))?"):
        Printed(pattern).feed(b"Epoch 1/2\n%s\n" % line.encode())


@pytest.mark.parametrize("pattern", ["(", "(?P<step>a{99999999999})", "(?P<step>" + "(" * 6000 + ")" * 6001])
def test_a_wrong_pattern_is_reported_and_holds_up_no_output(pattern: str, tmp_path: Path) -> None:
    container = Container(tmp_path / "pod")
    container.write(job(program=shell("echo done"), progress={"sources": ["output"], "pattern": pattern}))
    assert container.run() == 0
    assert "progress.pattern: not a regular expression of Python" in container.output
    assert "\ndone\n" in container.output
