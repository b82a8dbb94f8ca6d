"""What the tool reads of a local task's folder, where its program may have left anything."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tfconfig.local.pod import LocalPod
from tfconfig.tensorflow_job.lifecycle.state import Usage
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.usage import PROCESSES_FILE


def test_a_signal_leaves_the_exit_status_to_asyncio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks first whether a process has ended takes its status; asyncio then says 255."""

    def asked(_: object) -> None:
        raise AssertionError("its status was taken")

    async def status() -> int:
        pod = LocalPod(Task("worker", 0), "uid", tmp_path)
        pod.process = await asyncio.create_subprocess_exec("sleep", "60")
        with monkeypatch.context() as patched:
            patched.setattr(subprocess.Popen, "poll", asked)
            pod.signal(signal.SIGTERM)
        return await pod.process.wait()

    assert asyncio.run(status()) == -signal.SIGTERM


def used(folder: Path) -> Usage | None:
    return LocalPod(Task("worker", 0), "uid", folder).usage()


def test_what_a_task_used_is_what_its_file_says(tmp_path: Path) -> None:
    assert used(tmp_path) is None
    (tmp_path / PROCESSES_FILE).write_text('{"seconds": 2.0, "cpuSeconds": 1.0}')
    assert used(tmp_path) == Usage(seconds=2.0, cpu_seconds=1.0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "left",
    [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text("9" * 5000),
        lambda path: path.write_bytes(b"\xff"),
    ],
)
def test_what_is_no_such_file_says_nothing(tmp_path: Path, left: Callable[[Path], object]) -> None:
    left(tmp_path / PROCESSES_FILE)
    assert used(tmp_path) is None
