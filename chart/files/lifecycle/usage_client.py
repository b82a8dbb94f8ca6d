"""Asks every task now and then what it used and how far it is (task/usage.py and task/progress.py answer)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from ..task import progress
from ..task.contracts import ProgressDocument
from ..task.job_spec import Task, name
from .progress_client import read_answer
from .slow import StepRates
from .state import Container, Pod, Usage
from .training import is_running
from .usage import bounded, parse

ROUND_SECONDS = 15.0  # between rounds ...
TASKS_PER_SECOND = 5.0  # ... and in one, which costs a few millicores: 5,000 tasks are asked within 17 minutes
PUBLISH_TASKS = 100  # answers after which a long round shows what it knows


class UsageClient:
    """Asks in a thread of its own, one task after the other. A task that does not answer has no usage."""

    def __init__(self, closed: threading.Event, pace: float) -> None:
        self._closed, self._pace = closed, pace
        self._asked: tuple[str, Sequence[Pod]] = ("", ())
        self._run_id, self._rates = "", StepRates()
        self._known: dict[Task, Usage] = {}
        self.usage: Mapping[Task, Usage] = {}
        self.slow: Mapping[Task, str] = {}

    def ask(self, run_id: str, pods: Iterable[Pod]) -> None:
        """From now on ask those of these pods that run."""
        self._asked = run_id, [pod for pod in pods if pod.ip and is_running(pod) and pod.deleted is None]

    def work(self) -> None:
        """Round after round."""
        while not self._closed.wait((ROUND_SECONDS if self.usage else 2.0) * self._pace):
            self.look()

    def look(self) -> None:
        """One round."""
        run_id, pods = self._asked
        if run_id != self._run_id:
            self._run_id, self._rates, self._known, self.usage, self.slow = run_id, StepRates(), {}, {}, {}
        steps: dict[Task, tuple[Container, ProgressDocument]] = {}
        for number, pod in enumerate(pods, 1):
            if self._closed.wait(self._pace / TASKS_PER_SECOND):
                return
            try:
                text, answer = read_answer(pod.ip, name(pod.task), run_id)
            except (OSError, UnicodeError):
                continue
            used, document = parse(answer.get("usage")), progress.parse(text)
            if used:
                self._known[pod.task] = used
            if number % PUBLISH_TASKS == 0:
                self.usage = bounded(self._known)
            if document:
                steps[pod.task] = pod.container, document
        self.usage = bounded(self._known)  # few, as a decision looks at them each time
        self.slow = self._rates.look(steps, time.monotonic())
