"""Real runs of `tfconfig run`, watched from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "examples/digits"


def only_child(pid: int) -> int:
    """The one process that a process has started."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def _parent(pid: int) -> int:
    """The parent of a process; 0 of one that has gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class Running:
    """A `tfconfig run` in progress. Every process of it carries a mark in its environment, whoever its parent is."""

    def __init__(self, arguments: list[str], cwd: Path, environ: dict[str, str]) -> None:
        self.mark = f"TFCONFIG_TEST_MARK={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        self.lines: list[tuple[float, str]] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tfconfig", "run", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ, name: value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._news:
                self.lines.append((time.monotonic(), line.rstrip("\n")))
                self._news.notify_all()

    @property
    def output(self) -> str:
        with self._news:
            return "\n".join(line for _, line in self.lines)

    def wait_for(self, pattern: str, seconds: float = 120) -> re.Match[str]:
        """The first match in the output; fails with the output when it does not come."""
        until = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.output)
            if found:
                return found
            left = until - time.monotonic()
            if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                found = re.search(pattern, self.output)
                if found:
                    return found
                pytest.fail(f"no {pattern!r} in the output:\n{self.output}")
            with self._news:
                self._news.wait(min(left, 0.2))

    def time_of(self, pattern: str) -> float:
        """When the first line that matches came (monotonic seconds)."""
        return next(when for when, line in list(self.lines) if re.search(pattern, line))

    def end(self, seconds: float = 180) -> int:
        """The exit status, once it ended by itself."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {seconds} s:\n{self.output}")
        self._reader.join()
        return code

    def close(self) -> None:
        """Take in the rest of the output; every process must be gone."""
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()

    def pids(self, pattern: str = "") -> list[int]:
        """Processes of this run whose command line matches, the tool itself left out."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                ours = self.mark in (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if ours and command and re.search(pattern, command) and int(entry.name) != self.process.pid:
                found.append(int(entry.name))
        return found

    def kill(self, pattern: str, number: int = signal.SIGKILL) -> None:
        """Signal the one process whose command line matches."""
        (pid,) = self.pids(pattern)
        os.kill(pid, number)

    def container(self, task: str) -> int:
        """The entrypoint of a task: what is process 1 of its container on a cluster."""
        return self._entrypoint(task)[0]

    def program(self, task: str) -> int:
        """The program that a task runs, or its built-in server."""
        until = time.monotonic() + 60
        while True:  # one that is just forked still looks like the entrypoint
            entrypoint, copies = self._entrypoint(task)
            children = set(map(int, Path(f"/proc/{entrypoint}/task/{entrypoint}/children").read_text().split()))
            if len(children - copies) == 1:
                return (children - copies).pop()
            assert time.monotonic() < until, f"{task} runs no program"
            time.sleep(0.05)

    def _entrypoint(self, task: str) -> tuple[int, set[int]]:
        """A task's entrypoint, and the processes that it has forked: one copies the output of the program."""
        role, _, index = task.rpartition("-")
        found = self.pids(f"tensorflow_job/task run --role={role} --index={index} ")
        parents = {pid: parent for pid in found if (parent := _parent(pid))}
        forked = {pid for pid, parent in parents.items() if parent in parents}
        (entrypoint,) = parents.keys() - forked
        return entrypoint, forked

    def wait_until_gone(self, seconds: float = 120) -> None:
        """Fails when a process of this run is left after that time."""
        until = time.monotonic() + seconds
        while self.pids():
            if time.monotonic() > until:
                pytest.fail(f"still there after {seconds} s: {self.pids()}\n{self.output}")
            time.sleep(0.05)


Start = Callable[..., Running]


def starting(folder: Path) -> Iterator[Start]:
    """For a fixture: start `tfconfig run` with values given as a dictionary or a file; no process outlives the test."""
    started: list[Running] = []

    def start(values: dict[str, Any] | Path, *arguments: str, environ: dict[str, str] | None = None) -> Running:
        file = values
        if isinstance(values, dict):
            file = folder / "job" / "values.yaml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(yaml.safe_dump(values))
        running = Running(["-f", str(file), *arguments], folder, environ or {})
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        for pid in running.pids():
            os.kill(pid, signal.SIGKILL)
        running.process.wait()
        running.close()
        print(running.output)  # shown for tests that failed


def shell(script: str, **values: Any) -> dict[str, Any]:
    """Values of a job whose every role runs a shell script; one worker unless said otherwise."""
    job: dict[str, Any] = {
        "strategy": "Custom",
        "program": {"command": ["sh", "-c", script]},
        "worker": {"replicas": 1},
        "checkpoint": {"enabled": False},
    }
    return {**job, **values}
