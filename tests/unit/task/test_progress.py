"""Progress: what a program may write, how its task tells it, and how it is put for people."""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import threading
import time
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.task.conftest import PATIENCE_SECONDS, RUN, Container, job, shell
from tfconfig.tensorflow_job.lifecycle import progress_client
from tfconfig.tensorflow_job.lifecycle.state import Progress
from tfconfig.tensorflow_job.lifecycle.text import progress_text
from tfconfig.tensorflow_job.task import progress, silent
from tfconfig.tensorflow_job.task.contracts import ProgressDocument, UsageDocument
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.messages import REACHED

WHOLE = {"step": 1200, "total": 5000, "loss": 0.13, "rate": 250.0}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (WHOLE, WHOLE),
        ({"step": 7}, {"step": 7, "total": None, "loss": None, "rate": None}),
        ({"step": 7.0, "total": 9.0}, {"step": 7, "total": 9, "loss": None, "rate": None}),
        ({"step": 7, "loss": float("nan")}, {"step": 7, "total": None, "loss": None, "rate": None}),
        ({"step": 7, "loss": "low", "rate": True}, {"step": 7, "total": None, "loss": None, "rate": None}),
        (
            {"step": 7, "total": -1, "epoch": 3},
            {"step": 7, "total": None, "loss": None, "rate": None, "metrics": {"epoch": 3}},
        ),
        ({"step": 7, "metrics": {"auc": 0.9, "f1": "?", "": 1}, "acc": True}, {"step": 7, "metrics": {"auc": 0.9}}),
        (
            {"step": 7, "metrics": {f"m{n}": n for n in range(99)}},
            {"step": 7, "metrics": {f"m{n}": n for n in (0, 1, 10, 11, 12, 13, 14, 15)}},
        ),
        ({"step": 7, "source": "me", "a" * 41: 1, "a\n": 2}, {"step": 7}),
        ({}, None),
        ({"step": None}, None),
        ({"step": True}, None),
        ({"step": -1}, None),
        ({"step": 0.5}, None),
        ({"step": float("inf")}, None),
        ({"step": 10**400}, None),
        ([1], None),
        (3, None),
    ],
)
def test_what_a_program_says_is_taken_with_care(tmp_path: Path, said: Any, expected: dict[str, Any] | None) -> None:
    (tmp_path / "p").write_text(json.dumps(said))
    found = progress.read(str(tmp_path / "p"))
    nothing: dict[str, Any] = {"total": None, "loss": None, "rate": None, "metrics": {}, "source": "program"}
    assert (found and {key: value for key, value in found.items() if key != "age"}) == (
        expected and {**nothing, **expected}
    )
    json.dumps(found, allow_nan=False)


def test_a_line_is_nothing_until_it_is_whole(tmp_path: Path) -> None:
    whole = json.dumps(WHOLE)
    for length in range(len(whole)):
        (tmp_path / "p").write_text(whole[:length])
        assert progress.read(str(tmp_path / "p")) is None, whole[:length]
    (tmp_path / "p").write_text(f"{whole}\n")
    assert progress.read(str(tmp_path / "p"))


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_any_bytes_are_read_or_not_looked_at(text: bytes) -> None:
    progress.parse(text)


def test_a_file_that_is_no_progress_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "p").write_text(json.dumps({"step": 1, "notes": "x" * 100_000}))
    assert progress.read(str(tmp_path / "p")) is None
    assert progress.read(str(tmp_path / "absent")) is None
    assert progress.read(str(tmp_path)) is None
    assert progress.parse(b"[" * 4000) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (WHOLE, "step 1200 of 5000 (24 %), loss 0.13, 250 steps/s, 15 s left"),
        ({**WHOLE, "rate": 2.5, "loss": None}, "step 1200 of 5000 (24 %), 2.5 steps/s, 25 min 20 s left"),
        ({**WHOLE, "rate": 0.25}, "step 1200 of 5000 (24 %), loss 0.13, 0.25 steps/s, 4 h 13 min left"),
        ({**WHOLE, "rate": 0.0}, "step 1200 of 5000 (24 %), loss 0.13, 0 steps/s"),
        ({**WHOLE, "step": 6000}, "step 6000 of 5000 (100 %), loss 0.13, 250 steps/s"),
        ({"step": 3, "total": None, "loss": None, "rate": None}, "step 3"),
        (
            {**WHOLE, "metrics": {"accuracy": 0.73219}},
            "step 1200 of 5000 (24 %), loss 0.13, accuracy 0.7322, 250 steps/s, 15 s left",
        ),
        ({"step": 3, "total": 10, "source": "epochs", "metrics": {"auc": 1.0}}, "epoch 3 of 10 (30 %), auc 1"),
        (
            {"step": 3, "total": 10, "source": "epochs", "rate": 0.05},
            "epoch 3 of 10 (30 %), 0.05 epochs/s, 2 min 20 s left",
        ),
        ({"step": 0, "total": 0, "loss": None, "rate": None}, "step 0"),
    ],
)
def test_progress_in_words(said: dict[str, Any], words: str) -> None:
    assert progress_text(Progress(Task("worker", 0), **said)) == words


def until_told(port: int, seconds: float = 60.0) -> ProgressDocument:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if said := progress_client.ask("127.0.0.1", "worker-0", RUN, port):
                return said
        except OSError:
            pass
        assert time.monotonic() < deadline, "nothing was told"
        time.sleep(0.02)


def test_a_task_tells_what_its_program_wrote_last_and_how_long_ago(asked: Container, port: int) -> None:
    """Also when it was written in place and the next line is only half there, and while the program hangs."""
    asked.write(job(program=shell('printf \'{"step": 5, "total": 9}\' >$TASK_PROGRESS_FILE; sleep 60')))
    asked.start()
    said = until_told(port)
    assert (said["step"], said["total"], said["loss"]) == (5, 9, None)
    written = time.time() - said["age"]
    (asked.state / progress.FILE).write_text('{"step": 6, "tot')
    later = until_told(port)
    assert later["step"] == 5
    assert time.time() - later["age"] == pytest.approx(written, abs=1.0)


def test_a_program_that_reports_nothing_has_no_progress(asked: Container, port: int) -> None:
    asked.write(job(program=shell("echo ready; sleep 60")))
    asked.start()
    asked.wait_for("\nready")
    assert progress_client.ask("127.0.0.1", "worker-0", RUN, port) is None


def test_the_output_of_a_program_that_tells_its_progress_is_its_own(asked: Container) -> None:
    script = 'i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo $i; echo "{\\"step\\": $i}" >$TASK_PROGRESS_FILE; done'
    asked.write(job(program=shell(script)))
    assert asked.run() == 0
    lines = asked.output.splitlines()
    assert lines[-50:] == [str(number + 1) for number in range(50)]


def test_another_task_or_run_at_the_address_is_not_believed(asked: Container, port: int) -> None:
    asked.write(job(program=shell("echo '{\"step\": 5}' >$TASK_PROGRESS_FILE; sleep 60")))
    asked.start()
    until_told(port)
    with pytest.raises(OSError, match="does not answer as worker-1"):
        progress_client.ask("127.0.0.1", "worker-1", RUN, port)
    with pytest.raises(OSError, match="of run r2"):
        progress_client.ask("127.0.0.1", "worker-0", "r2", port)


def test_the_longest_answer_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must be: names in the scripts that take most bytes, silent peers, and all that can be known of the usage."""
    number = -2.2250738585072014e-308
    names = [chr(0x1F600 + at) * progress.MAX_NAME for at in range(progress.MAX_METRICS)]
    said = {"step": 1 << 62, "total": 1 << 62, "loss": number, "rate": number, **dict.fromkeys(names, number)}
    (tmp_path / progress.FILE).write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    peer = "2001:0db8:ffff:ffff:ffff:ffff:ffff:fff%d"
    monkeypatch.setattr(silent, "addresses", lambda *_: [peer % (at % 10) for at in range(1000)])
    figures = typing.get_type_hints(UsageDocument)
    used = dict.fromkeys(figures, 1234567890123456789) | {"tensorflow": "9" * 40}
    server = progress.ProgressServer(str(tmp_path), "evaluator-1000", "r" * 20, 0, usage=lambda: used)
    port = server._listener.getsockname()[1]

    def serve() -> None:
        select.select([server], [], [])
        server.answer()

    thread = threading.Thread(target=serve)
    thread.start()
    text, answer = progress_client.read_answer("127.0.0.1", "evaluator-1000", "r" * 20, port)
    thread.join()
    server.close()
    document = progress.parse(text)
    assert document, len(text)
    assert list(document["metrics"]) == names
    assert len(answer["silent"]) > 30
    assert answer["usage"] == used


def test_who_connects_and_breaks_off_does_not_disturb_the_program(asked: Container, port: int) -> None:
    """Writing to a connection that the peer closed and then reset brings SIGPIPE, which is not the program's."""
    asked.write(job(program=shell("echo '{\"step\": 5}' >$TASK_PROGRESS_FILE; echo ready; exec sleep 60")))
    task = asked.start()
    until_told(port)
    task.send_signal(signal.SIGSTOP)
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.shutdown(socket.SHUT_WR)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    task.send_signal(signal.SIGCONT)
    for _ in range(20):
        assert until_told(port)["step"] == 5
    assert task.poll() is None, asked.output


def test_what_an_earlier_container_reported_is_forgotten(asked: Container, port: int) -> None:
    (asked.state / progress.FILE).write_text('{"step": 5}')
    asked.write(job(program=shell("echo ready; sleep 60")))
    asked.start()
    asked.wait_for("\nready")
    assert progress_client.ask("127.0.0.1", "worker-0", RUN, port) is None


def test_a_program_that_succeeds_leaves_word_how_far_it_came(container: Container) -> None:
    container.write(job(program=shell('echo \'{"step": 9, "total": 9}\' >$TASK_PROGRESS_FILE')))
    assert container.run() == 0
    assert container.message.startswith(REACHED)
    said = progress.parse(container.message[len(REACHED) :].encode())
    assert said
    assert (said["step"], said["total"]) == (9, 9)


def test_the_word_of_a_program_that_succeeds_is_no_longer_than_kubernetes_keeps(container: Container) -> None:
    names = [chr(0x1F600 + at) * progress.MAX_NAME for at in range(progress.MAX_METRICS)]
    said = json.dumps({"step": 9, **dict.fromkeys(names, -2.2250738585072014e-308)}, ensure_ascii=False)
    container.write(job(program=shell('echo "$SAID" >$TASK_PROGRESS_FILE')))
    assert container.start(SAID=said).wait(PATIENCE_SECONDS) == 0
    assert len(container.message_file.read_bytes()) <= 4096, "of a longer one Kubernetes drops the beginning"
    kept = progress.parse(container.message[len(REACHED) :].encode())
    assert kept
    assert list(kept["metrics"]) == names


@pytest.mark.parametrize("code", [1, 137])
def test_a_program_that_fails_leaves_the_message_to_its_log(container: Container, code: int) -> None:
    container.write(job(program=shell(f"echo '{{\"step\": 9}}' >$TASK_PROGRESS_FILE; exit {code}")))
    assert container.run() == code
    assert container.message == ""


def test_a_port_that_is_taken_does_not_hold_the_program(asked: Container, port: int) -> None:
    asked.write(job(program=shell("echo trained")))
    with socket.socket() as other:
        other.bind(("", port))
        other.listen()
        assert asked.run() == 0
    assert f"port {port}: Address already in use" in asked.output
    assert "trained" in asked.output


def test_signals_and_the_end_are_not_held_up_by_many_who_ask(asked: Container, port: int) -> None:
    asked.write(job(program=shell('trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done')))
    process = asked.start()
    asked.wait_for("\nready")
    stop = threading.Event()

    def pester() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 1.0):
                    pass
            except OSError:
                return

    threads = [threading.Thread(target=pester) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        process.terminate()
        assert process.wait(4) == 7
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_who_connects_and_stays_silent_holds_up_nobody(asked: Container, port: int) -> None:
    asked.write(job(program=shell("echo '{\"step\": 5}' >$TASK_PROGRESS_FILE; sleep 60")))
    asked.start()
    until_told(port)
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    assert until_told(port, 2.0)["step"] == 5
    for connection in silent:
        connection.close()


def test_a_stranger_at_the_address_cannot_fill_the_memory(port: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()

        def flood() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"x" * 65536)
                except OSError:
                    pass

        thread = threading.Thread(target=flood)
        thread.start()
        with pytest.raises(OSError, match="does not answer as"):
            progress_client.ask("127.0.0.1", "worker-0", RUN, port)
        thread.join(10)
        assert not thread.is_alive()


def test_the_file_is_where_the_program_can_write(container: Container) -> None:
    container.write(job(program=shell("echo file=$TASK_PROGRESS_FILE")))
    assert container.run() == 0
    assert f"file={container.state / progress.FILE}" in container.output
