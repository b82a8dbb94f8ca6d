"""The lifecycle as a process: its arguments, its signals and its exit statuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Install
from .fake import NAMESPACE
from .fake_server import Server

MAIN = """
import functools, sys
from tfconfig.tensorflow_job.lifecycle import lifecycle
url, namespace, *arguments = sys.argv[1:]
lifecycle.Client = functools.partial(lifecycle.Client, url, "/nowhere", namespace)
sys.exit(lifecycle.main(arguments))
"""

Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts the lifecycle as a process."""
    started: list[subprocess.Popen[str]] = []

    def launcher(server: Server, text: str = "") -> subprocess.Popen[str]:
        (tmp_path / "job.json").write_text(text or json.dumps(server.cluster.job))
        server.cluster.run()
        options = [f"--config={tmp_path}", "--job=j-lifecycle-1", "--run-id=r1"]
        command = [sys.executable, "-c", MAIN, server.url, NAMESPACE, *options]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield launcher
    for process in started:
        process.kill()
        process.communicate()


def test_sigterm_ends_it_at_once_with_143(install: Install, launch: Launch) -> None:
    cluster, server = install()
    process = launch(server)
    cluster.phase("Running")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=5)
    assert process.returncode == 143
    assert "the next pod of this Job continues from here" in out
    assert len(cluster.pods()) == 5


def test_it_ends_as_the_training_did(install: Install, launch: Launch) -> None:
    cluster, server = install(restart={"policy": "Never"})
    process = launch(server)
    cluster.phase("Running")
    cluster.exit("j-worker-0", 9)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Failed (TaskFailed): worker-0 exited 9" in out


def test_a_bug_is_no_failed_training(install: Install, launch: Launch) -> None:
    _, server = install()
    process = launch(server, text="no JSON")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 70
    assert "JSONDecodeError" in out
