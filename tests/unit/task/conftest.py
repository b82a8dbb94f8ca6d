"""The in-pod program started as a container starts it: `python3 -S <folder> task …`."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.contracts import JobSpec

# Control groups of its own: root alone can make them.
collect_ignore = [] if os.access("/sys/fs/cgroup", os.W_OK) else ["test_real_cgroups.py"]

TASK = Path(job_spec.__file__).parent
RUN = "r1"
PATIENCE_SECONDS = 60.0  # until a test that waits has failed: a busy machine is slow


def job(**changes: Any) -> JobSpec:
    """job.json of one worker that runs a shell script in Custom; some of its values changed."""
    defaults = {"checkpointDir": "", "checkpointClaim": "", "program": {"command": ["true"], "args": []}}
    return changed(a_job("Custom", worker=1, name="j", run_id=RUN), **{**defaults, **changes})


def shell(script: str) -> dict[str, Any]:
    """`program` of a job that runs a shell script; each $ doubled, since commands are expanded as Kubernetes does."""
    return {"command": ["sh", "-c", script.replace("$", "$$")], "args": []}


def wait_until(
    condition: Callable[[], Any], otherwise: Callable[[], str] = str, seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait for a condition; the test fails with `otherwise` where it does not come."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(otherwise())
        time.sleep(0.02)


class Container:
    """What a pod has: its projected volume, its emptyDir and its termination message, over all its containers."""

    def __init__(self, folder: Path) -> None:
        self.config, self.state, self.message_file = folder / "config", folder / "state", folder / "message"
        self.config.mkdir(parents=True)
        self.state.mkdir()
        self.processes: list[subprocess.Popen[bytes]] = []

    def write(self, document: JobSpec, status: dict[str, Any] | None = None) -> None:
        """job.json, and status.json where the lifecycle has written one."""
        (self.config / "job.json").write_text(json.dumps(document))
        if status is not None:
            (self.config / "status.json").write_text(json.dumps(status))

    def start(self, role: str = "worker", grace: float = 5, **environ: str) -> subprocess.Popen[bytes]:
        """The next container of this pod. Its output goes to a file, so that nothing has to be read from it."""
        self.message_file.write_text("")
        with self.output_file.open("wb") as output:
            process = subprocess.Popen(
                self.task(role=role, grace=grace),
                env={**os.environ, **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, role: str = "worker", grace: float = 5, **environ: str) -> int:
        """A container to its end."""
        return self.start(role, grace, **environ).wait(PATIENCE_SECONDS)

    def task(self, **options: object) -> list[str]:
        """The command line of `task` for this pod."""
        given = {"role": "worker", "index": 0, "run-id": RUN, "grace": 5, "config": self.config, "state": self.state}
        given = {**given, "message": self.message_file, **options}
        return [sys.executable, "-S", str(TASK), "run", *(f"--{key}={value}" for key, value in given.items())]

    @property
    def output_file(self) -> Path:
        return self.state.parent / "output"

    @property
    def output(self) -> str:
        return self.output_file.read_text(errors="replace")

    @property
    def message(self) -> str:
        """Without the line about what the container used."""
        return re.sub(r"(?m)^used: .*", "", self.message_file.read_text()).strip()

    @property
    def used(self) -> dict[str, Any]:
        """That line."""
        found = re.search(r"(?m)^used: (.*)$", self.message_file.read_text())
        document: dict[str, Any] = json.loads(found.group(1)) if found else {}
        return document

    def wait_for(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> None:
        wait_until(lambda: re.search(pattern, self.output), lambda: f"no {pattern!r} in: {self.output}", seconds)


def descriptors() -> set[str]:
    """The numbers of what this process holds open, with gaps."""
    return {entry.name for entry in Path("/dev/fd").iterdir()}


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    pod = Container(tmp_path / "pod")
    yield pod
    for process in pod.processes:
        if process.poll() is None:
            process.terminate()  # not SIGKILL: it takes its program along
            process.wait(PATIENCE_SECONDS)


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture
def asked(container: Container, port: int) -> Container:
    """A pod whose task answers at `port`."""
    original = container.task
    container.task = lambda **options: original(progress=port, **options)  # type: ignore[method-assign]
    return container
