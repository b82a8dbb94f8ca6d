"""Finds out which programs wait for a peer whose node is gone: asks the programs (task/silent.py), and that peer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..task.job_spec import name
from ..task.names import PROGRESS_PORT
from .informer import Wakeup
from .progress_client import CONNECT_SECONDS, read_answer
from .state import Container, Pod
from .training import is_running

ASK_SECONDS = 5.0
GONE_SECONDS = 180.0  # how long a pod that vanished with its node is asked about
CONNECTIONS = 8


@dataclass(frozen=True)
class _Question:
    """Whom to ask, and about which pods."""

    run_id: str
    programs: Sequence[Pod]
    peers: Sequence[Pod]


class SilenceClient:
    """Asks in a thread of its own, and only while a pod's node does not answer, or after a pod has vanished."""

    def __init__(self, wakeup: Wakeup, closed: threading.Event, pace: float) -> None:
        self._wakeup, self._closed, self._pace = wakeup, closed, pace
        self._known: dict[str, Pod] = {}
        self._vanished: dict[str, tuple[float, Pod]] = {}
        self._question: _Question | None = None
        self.silent: Mapping[Container, Sequence[Pod]] = {}
        """Programs, and the peers whose answer they wait for and who answer nobody."""

    def ask(self, run_id: str, programs: Callable[[], Iterable[Pod]], pods: Iterable[Pod]) -> None:
        """From now on ask these programs about those of the run's pods that do not answer, or are gone."""
        peers = self._lost(pods)
        asked = [pod for pod in programs() if pod.ip and is_running(pod)] if peers else []
        self._question = _Question(run_id, asked, peers) if asked else None

    def work(self) -> None:
        """Ask every ASK_SECONDS, as long as there is something to ask."""
        pause = 1.0
        while not self._closed.wait(pause * self._pace):
            pause = ASK_SECONDS if self._question else 1.0
            silent = self.look()
            if silent != self.silent:
                self.silent = silent
                self._wakeup.notify()

    def look(self) -> dict[Container, Sequence[Pod]]:
        """Who waits for whom now."""
        question = self._question
        return _answer(question) if question else {}

    def _lost(self, pods: Iterable[Pod]) -> list[Pod]:
        now, known = time.monotonic(), {pod.ip: pod for pod in pods if pod.ip}
        for ip, pod in self._known.items():
            if ip not in known and pod.current is None:  # its container was never seen to end
                self._vanished[ip] = now, pod
        self._known = known
        self._vanished = {
            ip: (when, pod)
            for ip, (when, pod) in self._vanished.items()
            if ip not in known and now - when < GONE_SECONDS
        }
        return [pod for pod in known.values() if pod.unreachable] + [pod for _, pod in self._vanished.values()]


def _answer(question: _Question) -> dict[Container, Sequence[Pod]]:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = pool.map(lambda pod: answers_at(pod.ip), question.peers)
        lost = {pod.ip: pod for pod, answer in zip(question.peers, answers, strict=True) if not answer}
        if not lost:  # only their kubelet does not report
            return {}
        silences = pool.map(lambda pod: _silent_peers(pod, question.run_id), question.programs)
        return {
            pod.container: peers
            for pod, silent in zip(question.programs, silences, strict=True)
            if (peers := [lost[ip] for ip in silent if ip in lost])
        }


def answers_at(ip: str, port: int = PROGRESS_PORT) -> bool:
    """Whether there is a machine at this address: one that refuses the connection is there."""
    try:
        socket.create_connection((ip, port), CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def _silent_peers(pod: Pod, run_id: str) -> Sequence[str]:
    try:
        silent = read_answer(pod.ip, name(pod.task), run_id)[1].get("silent")
    except (OSError, UnicodeError):
        return ()
    return [ip for ip in silent if isinstance(ip, str)] if isinstance(silent, list) else ()
