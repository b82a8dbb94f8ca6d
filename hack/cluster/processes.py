"""The long-running processes of the cluster: started apart from this program, known by name, stopped by process id."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from .settings import LOGS, PROCESSES
from .shell import KitError, tail


def log_file(name: str) -> Path:
    """Return the log of a process."""
    return LOGS / f"{name}.log"


def start(name: str, command: Sequence[str | Path]) -> None:
    """Start a process unless it runs; its output goes to its log."""
    if is_running(name):
        return
    for folder in (LOGS, PROCESSES):
        folder.mkdir(parents=True, exist_ok=True)
    with log_file(name).open("a") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    (PROCESSES / name).write_text(f"{process.pid} {_start_time(process.pid)}")


def names() -> list[str]:
    """Return the names of all processes that were started and not stopped since."""
    return sorted(file.name for file in PROCESSES.glob("*"))


def process_id(name: str) -> int | None:
    """Return the id of a process, if it runs; for one on a node, of the program that entered it there."""
    try:
        pid, started = map(int, (PROCESSES / name).read_text().split())
    except (OSError, ValueError):
        return None
    # The same id with another start time is another process.
    return pid if _start_time(pid) == started else None


def is_running(name: str) -> bool:
    """Return whether a process runs."""
    return process_id(name) is not None


def is_healthy(address: str, port: int, path: str = "/healthz") -> bool:
    """Return whether a process says by HTTP that it is."""
    try:
        connection = http.client.HTTPConnection(address, port, timeout=2)
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def child(pid: int) -> int | None:
    """Return the id of a process's first child, if it has one."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def kill(wanted: Iterable[str]) -> None:
    """End processes at once, and wait until they are gone."""
    wanted = list(wanted)
    for name in wanted:
        pid = process_id(name)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(child(pid) or pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while left := [name for name in wanted if is_running(name)]:
        if time.monotonic() > deadline:
            raise KitError(f"these processes cannot be ended: {' '.join(left)}")
        time.sleep(0.02)
    for name in wanted:
        (PROCESSES / name).unlink(missing_ok=True)


def wait(what: str, condition: Callable[[], bool], needed: Iterable[str], timeout: float = 120) -> None:
    """Wait until a condition holds; say what failed if a process that it needs ends, or the time is over."""
    needed = list(needed)
    deadline = time.monotonic() + timeout
    while not condition():
        for name in needed:
            if not is_running(name):
                raise KitError(f"{name} ended; the end of {log_file(name)}:\n{log_tail(name)}")
        if time.monotonic() > deadline:
            logs = "\n".join(f"the end of {log_file(name)}:\n{log_tail(name)}" for name in needed)
            raise KitError(f"{what}: not within {timeout:.0f} s\n{logs}")
        time.sleep(0.1)


def log_tail(name: str) -> str:
    """Return the last lines of a process's log."""
    try:
        return tail(log_file(name).read_text(errors="replace"))
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or only waits to be collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
