"""Asks the task that reports the job's progress how far its program is (task/progress.py answers)."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..task import progress
from ..task.contracts import JobSpec, ProgressDocument
from ..task.job_spec import address, name
from ..task.names import PROGRESS_PORT
from .informer import Wakeup
from .reports import reported
from .state import Pod, ProgressSample

ASK_SECONDS, CONNECT_SECONDS = 10.0, 2.0
ANSWER_SECONDS = 2.0  # for a whole answer: a program may stand in for PID 1, and send a byte now and then


class ProgressClient:
    """Asks one task, in a thread of its own, how far its program is. A task that does not answer is asked again."""

    def __init__(self, wakeup: Wakeup, closed: threading.Event, pace: float, clock: Callable[[], float]) -> None:
        self._wakeup, self._closed, self._pace, self._clock = wakeup, closed, pace, clock
        self._target: tuple[JobSpec, Pod] | None = None
        self.sample: ProgressSample | None = None

    def ask(self, job: JobSpec, pod: Pod | None) -> None:
        """From now on ask this pod; nobody while it does not run."""
        running = pod is not None and pod.status == "Running" and pod.deleted is None
        self._target = (job, pod) if pod is not None and running else None

    def work(self) -> None:
        """Ask every ASK_SECONDS, and often enough that a stall is noticed when its time is over."""
        pause = 1.0
        while not self._closed.wait(pause * self._pace):
            pause = 1.0
            if self._target is not None:
                job, pod = self._target
                self._put(_ask_pod(job, pod, self._clock))
                limit = job["deadlines"]["stallSeconds"]
                pause = ASK_SECONDS if limit is None else min(ASK_SECONDS, max(1.0, limit / 4))

    def _put(self, sample: ProgressSample | None) -> None:
        if sample is not None:
            self.sample = sample
            self._wakeup.notify()


def _ask_pod(job: JobSpec, pod: Pod, clock: Callable[[], float]) -> ProgressSample | None:
    """The progress of the program in this pod; None when it reports none or cannot be asked."""
    host = address(job, pod.task).rpartition(":")[0]
    try:
        document = ask(host, name(pod.task), job["runId"])
    except (OSError, UnicodeError):
        return None
    return sample(pod, document, clock()) if document else None


def ask(host: str, task: str, run_id: str, port: int = 0) -> ProgressDocument | None:
    """What that task reports, as `progress.read` returns it; None when it has not reported anything yet.

    Raises OSError when it does not answer, or another one does.
    """
    return progress.parse(read_answer(host, task, run_id, port)[0])


def read_answer(host: str, task: str, run_id: str, port: int = 0) -> tuple[bytes, Mapping[str, Any]]:
    """The line that PID 1 of that task answers, as it is and as JSON. Raises OSError as `ask` does."""
    with socket.create_connection((host, port or PROGRESS_PORT), CONNECT_SECONDS) as connection:
        text, until = b"", time.monotonic() + ANSWER_SECONDS
        while len(text) <= progress.MAX_BYTES and b"\n" not in text:
            connection.settimeout(max(0.001, until - time.monotonic()))
            piece = connection.recv(progress.MAX_BYTES)
            if not piece:
                break
            text += piece
    try:
        answer = json.loads(text.decode())
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or (answer.get("task"), answer.get("runId")) != (task, run_id):
        raise OSError(f"{host} does not answer as {task} of run {run_id}")
    return text, answer


def sample(pod: Pod, document: ProgressDocument, now: float) -> ProgressSample:
    """An answer, or a file, of this pod in the terms of the state machine; times to the millisecond, as stored."""
    return ProgressSample(reported(pod.task, document, now), pod.container, now)
