"""Programs that run until the test tells them how to end: each connects to the test, and waits for its exit status."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from hack.cluster.settings import HOST_ADDRESS

T = TypeVar("T")

# It says where it begins; with a file for its steps it goes on from there, and saves and says each.
PROGRAM = """
import json, os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
host, _, port = os.environ["GATE"].partition(":")
file = os.environ.get("STEP_FILE")
step = int(open(file).read()) if file and os.path.exists(file) else 0
config = json.loads(os.environ.get("TF_CONFIG", "null"))
gate = socket.create_connection((host, int(port)))
gate.sendall(json.dumps({"pod": socket.gethostname(), "config": config, "step": step}).encode() + b"\\n")
gate.settimeout(0.1 if file else None)
while True:
    if file:
        step += 1
        with open(file + ".new", "w") as new:
            new.write(str(step))
        os.replace(file + ".new", file)
        gate.sendall(b"%d\\n" % step)
    try:
        sys.exit(int(gate.recv(16) or 143))
    except socket.timeout:
        pass
"""


class Try:
    """A program that runs, or has run."""

    def __init__(self, connection: socket.socket, first: dict[str, Any]) -> None:
        self._connection = connection
        self.config: Any = first["config"]
        self.began_at: int = first["step"]
        self.saved = self.began_at
        self.runs = True

    def exits(self, code: int) -> None:
        """Let the program end with this exit status."""
        self._connection.sendall(str(code).encode())


class Gate:
    """Where programs connect."""

    def __init__(self) -> None:
        self._server = socket.create_server((HOST_ADDRESS, 0))
        self._news = threading.Condition()
        self._tries: dict[str, list[Try]] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """For the programs' variable GATE."""
        return f"{HOST_ADDRESS}:{self._server.getsockname()[1]}"

    def close(self) -> None:
        """Take no more connections; programs that are connected stay so."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def tries(self, pod: str) -> list[Try]:
        """All programs that ran in pods of this name, the oldest first."""
        return self._tries.get(pod, [])

    def wait(self, what: str, condition: Callable[[], T | None], seconds: float = 120) -> T:
        """The first true value of the condition, looked at whenever a program begins, saves or ends."""
        until = time.monotonic() + seconds
        with self._news:
            while not (found := condition()):
                left = until - time.monotonic()
                if left <= 0:
                    pytest.fail(f"not within {seconds} s: {what}")
                self._news.wait(left)
        return found

    def wait_for(self, pod: str, number: int = 1) -> Try:
        """The first, second, … program of this pod, running."""

        def runs() -> Try | None:
            tries = self.tries(pod)
            return tries[number - 1] if len(tries) >= number and tries[number - 1].runs else None

        return self.wait(f"program {number} of {pod} runs", runs)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=[connection], daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            first = lines.readline()
            if not first:
                return
            words = json.loads(first)
            this = Try(connection, words)
            with self._news:
                self._tries.setdefault(words["pod"], []).append(this)
                self._news.notify_all()
            for line in _lines(lines):
                with self._news:
                    this.saved = int(line)
                    self._news.notify_all()
        with self._news:
            this.runs = False
            self._news.notify_all()


def _lines(lines: Any) -> Iterator[bytes]:
    try:
        yield from lines
    except OSError:  # killed
        return


@contextmanager
def opened() -> Iterator[Gate]:
    """A gate."""
    gate = Gate()
    try:
        yield gate
    finally:
        gate.close()
