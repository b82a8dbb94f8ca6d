"""Kubernetes Events of the job, for `kubectl describe` and the log.

They are about the Job: its end is what people wait for, it outlives the pods, and one place holds the whole story.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from .kubernetes import ApiError, Client
from .log import Log
from .state import FAILED, PHASES, SUCCEEDED, Event
from .text import one_line, shortened
from .timestamps import format_time

MAX_EVENTS_PER_ROUND = 12  # apart from those of phases; then as many seconds without
MAX_MESSAGE = 1024  # the API server's limit


class EventRecorder:
    """Creates Events that are about this Kubernetes Job, no more than a few at a time."""

    def __init__(self, client: Client, log: Log, kube_job: str, uid: str, pace: float) -> None:
        self._client, self._log, self._kube_job, self._uid, self._pace = client, log, kube_job, uid, pace
        self._pending: list[Event] = []
        self._postponed: list[Event] = []  # until `_quiet_until`
        self._last: list[Event] = []  # of the last decision
        self._quiet_until = 0.0

    @property
    def is_pending(self) -> bool:
        """Whether Events wait to be created."""
        return bool(self._pending)

    @property
    def next_postponed(self) -> float | None:
        """When postponed Events may be created, by time.monotonic()."""
        return self._quiet_until if self._postponed else None

    def add(self, events: Iterable[Event]) -> None:
        """The Events of a decision; the same decision again, until its actions show, adds nothing."""
        events = list(events)
        self._pending += [event for event in events if event not in self._last]
        self._last = events

    def clear(self) -> None:
        """What was decided was not stored: none of it is reported."""
        self._pending, self._last, self._postponed = [], [], []

    def publish(self, at_once: bool) -> None:
        """Create what is pending. `at_once`: nothing may be postponed any more."""
        pending, self._postponed = self._postponed + self._pending, []
        phases = [event for event in pending if event.reason in PHASES]
        others = [event for event in pending if event.reason not in PHASES]
        if time.monotonic() < self._quiet_until and not at_once:
            pending, self._postponed = phases, others
        elif others:
            self._quiet_until = time.monotonic() + min(len(others), MAX_EVENTS_PER_ROUND) * self._pace
            surplus = others[MAX_EVENTS_PER_ROUND:]
            if surplus:
                warns = any(event.type == "Warning" for event in surplus)
                more = Event("Warning" if warns else "Normal", "MoreEvents", f"and {len(surplus)} more like these")
                pending = [*others[:MAX_EVENTS_PER_ROUND], more, *phases]
        self._pending = pending
        while self._pending:
            event = self._pending[0]
            try:
                self._client.create("events", self._document(event))
            except ApiError as error:
                if error.temporary:
                    return
                self._log.write_once(f"an Event was refused: {error}")
            if event.reason not in (SUCCEEDED, FAILED):  # the summary says so
                self._log.write(
                    f"{'WARNING' if event.type == 'Warning' else event.type} {event.reason}: {event.message}"
                )
            self._pending.pop(0)

    def _document(self, event: Event) -> dict[str, Any]:
        now, namespace = format_time(self._client.clock.now()), self._client.namespace
        return {
            "metadata": {"name": f"{self._kube_job}.{time.time_ns():x}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": self._kube_job,
                "namespace": namespace,
                "uid": self._uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": shortened(one_line(event.message), MAX_MESSAGE),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": "tensorflow-job"},
        }
