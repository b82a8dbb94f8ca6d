"""Peers that send nothing are known from the kernel; real connections."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.unit.task.conftest import PATIENCE_SECONDS
from tfconfig.tensorflow_job.task import progress, silent
from tfconfig.tensorflow_job.task.listener import listen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel is asked as only Linux allows")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def server(stack: ExitStack) -> tuple[socket.socket, int]:
    listener = stack.enter_context(socket.socket(fileno=listen(0).detach()))
    listener.setblocking(True)
    return listener, listener.getsockname()[1]


def test_only_a_peer_that_somebody_here_waits_for_is_silent(stack: ExitStack) -> None:
    listener, port = server(stack)
    stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    stack.enter_context(socket.create_connection(("::1", port)))
    stack.enter_context(listener.accept()[0])
    stack.enter_context(listener.accept()[0])
    assert set(silent.addresses(port, 0)) == {"127.0.0.1", "::1"}
    assert silent.addresses(port, 3600) == []
    # A server waits for nobody: its clients' ports are not asked about.
    assert silent.addresses(port + 1, 0) == []


def test_a_peer_that_sends_something_is_not_silent(stack: ExitStack) -> None:
    listener, port = server(stack)
    quiet = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    stack.enter_context(listener.accept()[0])
    talks = stack.enter_context(socket.create_connection(("::1", port)))
    peer = stack.enter_context(listener.accept()[0])
    until = time.monotonic() + PATIENCE_SECONDS
    while silent.addresses(port, 0.5) != ["127.0.0.1"]:
        assert time.monotonic() < until
        peer.send(b"x")
        talks.recv(1)
    assert quiet.fileno() >= 0


def test_a_closed_connection_is_nobodys_wait(stack: ExitStack) -> None:
    listener, port = server(stack)
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    listener.accept()[0].close()
    assert client.recv(1) == b""
    assert silent.addresses(port, 0) == []


def test_an_answer_names_as_many_silent_peers_as_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    many = [f"fd00:1234:5678:9abc:def0:1234:5678:{number:x}" for number in range(1000)]
    monkeypatch.setattr(silent, "addresses", lambda *_: many)
    served = progress.ProgressServer(f"{tmp_path}/progress", "worker-0", "r1", 0)
    document = served._document()
    served.close()
    assert 20 < len(document["silent"]) < 100
    assert document["silent"] == many[: len(document["silent"])]
