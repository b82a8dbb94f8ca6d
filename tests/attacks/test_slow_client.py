"""A client of the metrics that sends a byte now and then, or many that are silent: others are answered all the same."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from tfconfig.tensorflow_job.lifecycle import metrics


@pytest.fixture
def port() -> Iterator[int]:
    """Where metrics are served."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        free: int = listener.getsockname()[1]
    server = metrics.Server(free, lambda: "some 1\n")
    server.start()
    yield free
    server.stop()


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_a_client_that_sends_a_byte_now_and_then_keeps_nobody_waiting_and_is_let_go(port: int) -> None:
    stop = threading.Event()
    with socket.create_connection(("127.0.0.1", port)) as slow:

        def trickle() -> None:
            slow.sendall(b"GET /")
            with contextlib.suppress(OSError):
                while not stop.wait(0.05):
                    slow.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert scraped(port) == "some 1\n"
            slow.settimeout(20)
            with contextlib.suppress(ConnectionError):
                assert slow.recv(1) == b"", "the server ends it"
        finally:
            stop.set()
            thread.join()


def test_many_silent_clients_keep_nobody_waiting(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3 * metrics.MAX_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert scraped(port) == "some 1\n"
