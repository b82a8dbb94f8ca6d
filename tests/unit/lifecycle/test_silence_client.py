"""Who is asked about whom while a node does not answer, and what is believed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tfconfig.tensorflow_job.lifecycle import silence_client
from tfconfig.tensorflow_job.lifecycle.informer import Wakeup
from tfconfig.tensorflow_job.lifecycle.silence_client import SilenceClient, answers_at
from tfconfig.tensorflow_job.lifecycle.state import Exit, Pod
from tfconfig.tensorflow_job.task.job_spec import Task, name

PROGRAM = Pod(Task("worker", 0), "u1", "r1", 0.0, status="Running", node="n1", ip="10.0.0.1")
PEER = Pod(Task("ps", 0), "u2", "r1", 0.0, status="Running", node="n2", ip="10.0.0.2")


class Network:
    """Addresses that answer, and which peers the programs wait for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answering: set[str] = set()
        self.waits: dict[str, Any] = {name(PROGRAM.task): [PEER.ip]}
        self.asked: list[str] = []
        monkeypatch.setattr(silence_client, "answers_at", lambda ip: ip in self.answering)
        monkeypatch.setattr(silence_client, "read_answer", self._read)

    def _read(self, host: str, task: str, run_id: str) -> tuple[bytes, Mapping[str, Any]]:
        self.asked.append(task)
        if task not in self.waits:
            raise OSError(f"{host} of run {run_id} does not answer")
        return b"", {"silent": self.waits[task]}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


class Asking:
    """A client whose thread works through one question at a time."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.client = SilenceClient(Wakeup(), self.closed, 0.0)

    def about(self, *pods: Pod) -> dict[str, list[str]]:
        """Who waits for whom, once these pods were seen; the first one is the program."""
        self.client.ask("r1", lambda: pods[:1], pods)
        return {container.uid: [name(peer.task) for peer in peers] for container, peers in self.client.look().items()}


@pytest.fixture
def asking() -> Iterator[Asking]:
    asking = Asking()
    yield asking
    asking.closed.set()


def test_nobody_is_asked_while_every_node_answers(network: Network, asking: Asking) -> None:
    assert asking.about(PROGRAM, PEER) == {}
    assert network.asked == []


def test_a_program_that_waits_for_a_pod_of_a_lost_node_is_found(network: Network, asking: Asking) -> None:
    assert asking.about(PROGRAM, replace(PEER, unreachable=True)) == {"u1": ["ps-0"]}
    network.waits[name(PROGRAM.task)] = ["10.9.9.9"]  # silent for long, as somebody healthy may be
    assert asking.about(PROGRAM, replace(PEER, unreachable=True)) == {}


def test_a_pod_that_answers_is_not_lost_though_its_kubelet_is(network: Network, asking: Asking) -> None:
    network.answering = {PEER.ip}
    assert asking.about(PROGRAM, replace(PEER, unreachable=True)) == {}
    assert network.asked == []


def test_a_pod_that_vanished_with_its_node_is_asked_about_and_one_that_ended_is_not(
    network: Network, asking: Asking
) -> None:
    asking.about(PROGRAM, PEER)
    elsewhere = replace(PEER, uid="u3", ip="10.0.0.3")
    assert asking.about(PROGRAM, elsewhere) == {"u1": ["ps-0"]}
    assert asking.about(PROGRAM, replace(elsewhere, current=Exit(0))) == {"u1": ["ps-0"]}
    network.waits[name(PROGRAM.task)] = [elsewhere.ip]
    assert asking.about(PROGRAM, PEER) == {}, "its address is in use again, and the other one has ended"


@pytest.mark.parametrize("answer", [None, "10.0.0.2", [1, None], {}])
def test_whoever_says_nothing_of_use_is_left_alone(network: Network, asking: Asking, answer: object) -> None:
    network.waits[name(PROGRAM.task)] = answer
    assert asking.about(PROGRAM, replace(PEER, unreachable=True)) == {}


def test_a_program_that_does_not_answer_is_left_alone(network: Network, asking: Asking) -> None:
    network.waits.clear()
    assert asking.about(PROGRAM, replace(PEER, unreachable=True)) == {}


def test_a_machine_that_refuses_a_connection_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert answers_at("127.0.0.1", port)
    assert answers_at("127.0.0.1", port)

    def unreachable(*_: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    assert not answers_at("127.0.0.1", port)
