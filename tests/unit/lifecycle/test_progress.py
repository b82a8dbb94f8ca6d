"""The lifecycle asks one task for the job's progress, stores it now and then, and replaces a program that hangs."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfconfig.tensorflow_job.lifecycle import progress_client
from tfconfig.tensorflow_job.lifecycle.status_store import STEP_SECONDS
from tfconfig.tensorflow_job.task import progress

from .conftest import Install, Start
from .harness import PACE

ADDRESSES = {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"], "ps": ["127.0.0.1:4", "127.0.0.1:5"]}


class Program:
    """A chief that tells its progress, by the entrypoint's own ProgressServer."""

    def __init__(self, folder: Path, port: int) -> None:
        self._file = folder / "progress.json"
        self.asked = 0
        self._stopped = False
        self._teller = progress.ProgressServer(str(folder), "chief-0", "r1", port)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def tell(self, step: int) -> None:
        self._file.write_text(json.dumps({"step": step, "total": 50, "loss": 0.5}))

    def _serve(self) -> None:
        while not self._stopped:
            if select.select([self._teller], [], [], 0.05)[0]:
                self.asked += 1
                self._teller.answer()

    def close(self) -> None:
        self._stopped = True
        self._thread.join()
        self._teller.close()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.progress_client.PROGRESS_PORT", port)
    (tmp_path / "chief").mkdir()
    chief = Program(tmp_path / "chief", port)
    yield chief
    chief.close()


def test_progress_reaches_the_status_and_the_summary(install: Install, start: Start, program: Program) -> None:
    cluster, server = install(addresses=ADDRESSES)
    controller = start(server)
    cluster.phase("Running")
    assert "progress" not in cluster.status()
    for step in (10, 20):
        program.tell(step)
        cluster.until(lambda: cluster.status().get("progress", {}).get("step") == step)  # noqa: B023
    progress = cluster.status()["progress"]
    assert (progress["task"], progress["total"], progress["loss"]) == ("chief-0", 50, 0.5)
    assert progress["rate"] > 0, "between two steps"
    cluster.exit("j-chief-0", 0, 'reached: {"step": 50, "total": 50, "age": 0.0}')
    assert controller.ends() == 0
    assert cluster.status()["progress"]["step"] == 50
    assert "progress:    step 50 of 50 (100 %)" in controller.log


def test_progress_alone_is_written_and_asked_for_only_now_and_then(
    install: Install, start: Start, program: Program
) -> None:
    cluster, server = install(addresses=ADDRESSES)
    controller = start(server)
    cluster.phase("Running")
    program.tell(1)
    cluster.until(lambda: "progress" in cluster.status())
    written, asked, begun = len(cluster.statuses), program.asked, time.monotonic()
    for step in range(2, 200):
        program.tell(step)
        time.sleep(0.01)
    took = time.monotonic() - begun
    assert len(cluster.statuses) - written <= took / (STEP_SECONDS * PACE) + 1
    assert program.asked - asked <= took / (progress_client.ASK_SECONDS * PACE) + 1
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_a_program_that_hangs_is_replaced_and_counted(install: Install, start: Start, program: Program) -> None:
    cluster, server = install(addresses=ADDRESSES, deadlines={"stallSeconds": 1}, servers=["worker", "ps"])
    controller = start(server)
    cluster.phase("Running")
    first = cluster.get("pods", "j-chief-0")["metadata"]["uid"]
    program.tell(7)
    cluster.until(lambda: cluster.status().get("failures") == 1)
    cluster.until(lambda: cluster.runs("j-chief-0") and cluster.get("pods", "j-chief-0")["metadata"]["uid"] != first)
    assert cluster.deletes == [first], "servers stay"
    assert "WARNING TaskStalled: chief-0: no progress for 1 s, last at step 7; failure 1 of 6 allowed" in controller.log
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_the_log_of_a_program_that_hung_for_good_ends_with_its_last_lines(
    install: Install, start: Start, program: Program
) -> None:
    cluster, server = install(addresses=ADDRESSES, deadlines={"stallSeconds": 1}, restart={"policy": "Never"})
    controller = start(server)
    program.tell(7)
    assert controller.ends() == 1
    assert cluster.status()["reason"] == "Stalled"
    assert "last line of j-chief-0" in controller.log.splitlines()[-1]


def test_a_new_controller_goes_on_with_the_clock_of_the_one_before(
    install: Install, start: Start, program: Program
) -> None:
    cluster, server = install(addresses=ADDRESSES, deadlines={"stallSeconds": 3}, restart={"backoffLimit": 0})
    first = start(server)
    cluster.phase("Running")
    program.tell(7)
    cluster.until(lambda: "progress" in cluster.status())
    reached = cluster.status()["progress"]["time"]
    first.client.dead = True
    first.client.close()
    first.ends()
    second = start(server, pod="lifecycle-2")
    assert second.ends() == 1
    assert cluster.status()["failures"] == 1
    assert cluster.status()["progress"]["time"] == reached
