"""Tasks that run TensorFlow's own server, and those that wait for them."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.running import only_child
from tests.unit.task.conftest import PATIENCE_SECONDS, Container, job, shell
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.messages import SERVED, STOPPED


def _server_job(port: int, other: str) -> JobSpec:
    addresses = {"worker": ["127.0.0.1:1"], "ps": [f"127.0.0.1:{port}"]}
    return job(program=shell("echo trained"), replicas={"worker": 1, "ps": 1}, servers=[other], addresses=addresses)


def test_a_program_waits_for_the_servers_and_says_so(container: Container) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        container.write(_server_job(listener.getsockname()[1], "ps"))
        process = container.start()
        container.wait_for("waiting for ps-0: connection refused, 2 s")
        assert "trained" not in container.output
        listener.listen()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert "ps-0 answers after" in container.output


def test_a_name_that_does_not_resolve_is_reported(container: Container) -> None:
    document = job(program=shell("echo trained"), replicas={"worker": 1, "ps": 1}, servers=["ps"], service="invalid")
    container.write(document)
    process = container.start()
    container.wait_for("waiting for ps-0: name not found, 2 s", 20)
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 143, "waiting does not keep it from leaving"


FAKE_TENSORFLOW = """
import os, socket, threading
class train:
    ClusterSpec = dict
class _Server:
    def __init__(self, cluster, job_name, task_index, protocol):
        if os.environ.get("BROKEN"):
            raise RuntimeError("Could not start gRPC server")
        self._address = cluster[job_name][task_index]
    def join(self):
        threading.Event().wait()
class distribute:
    Server = _Server
"""


@pytest.fixture
def tensorflow(tmp_path: Path) -> str:
    """A folder with a tensorflow module that has just what server.py uses. The real one: tests/local."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "tensorflow.py").write_text(FAKE_TENSORFLOW)
    return str(folder)


def test_a_server_that_was_ready_tells_so_when_it_is_killed(container: Container, tensorflow: str) -> None:
    container.write(_server_job(2, "ps"))
    process = container.start("ps", PYTHONPATH=tensorflow)
    container.wait_for("ps-0 serves at 127.0.0.1:2")
    child = only_child(process.pid)
    os.kill(child, signal.SIGKILL)
    assert process.wait(PATIENCE_SECONDS) == 137
    assert container.message.startswith(SERVED)


@pytest.mark.parametrize(("given", "found"), [({}, "1"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")])
def test_a_server_prints_no_options_unless_asked_to(
    container: Container, tensorflow: str, given: dict[str, Any], found: str
) -> None:
    container.write(_server_job(2, "ps"))
    process = container.start("ps", PYTHONPATH=tensorflow, **given)
    container.wait_for("ps-0 serves at 127.0.0.1:2")
    child = only_child(process.pid)
    variables = Path(f"/proc/{child}/environ").read_text().split("\0")
    assert f"TF_CPP_MIN_LOG_LEVEL={found}" in variables
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def test_a_server_that_never_got_ready_tells_nothing_of_the_kind(container: Container, tensorflow: str) -> None:
    container.write(_server_job(2, "ps"))
    assert container.run("ps", PYTHONPATH=tensorflow, BROKEN="1") == 1
    assert container.message == ""
    assert "the TensorFlow server of ps-0 could not start" in container.output


def test_a_server_goes_at_once_whatever_the_grace(container: Container, tensorflow: str) -> None:
    container.write(_server_job(2, "ps"))
    process = container.start("ps", grace=300, PYTHONPATH=tensorflow)
    container.wait_for("ps-0 serves")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 143  # of 300
    assert container.message.startswith(STOPPED)


def test_modules_that_a_server_needs_are_imported_first(container: Container, tensorflow: str) -> None:
    (Path(tensorflow) / "custom_ops.py").write_text("print('custom ops loaded', flush=True)")
    document = _server_job(2, "ps")
    container.write({**document, "serverImports": ["custom_ops"]})
    container.start("ps", PYTHONPATH=tensorflow)
    container.wait_for("custom ops loaded")
