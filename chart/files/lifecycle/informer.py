"""What the watches report, shared between threads: `Wakeup` for the main loop, the pods, and the desired state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..task.job_spec import Task
from ..task.names import (
    CHART_LABEL,
    CHART_PREFIX,
    CONTROLLER_ANNOTATION,
    HANDLED_KEY,
    HOLDER_KEY,
    ROLE_LABEL,
    RUN_ANNOTATION,
    STATUS_KEY,
    SUSPEND_ANNOTATION,
    pod_name,
)
from .kubernetes import Document
from .pod_status import pod, task_of
from .state import Pod


class Wakeup:
    """Wakes the main loop. `urgent` when a program ended; `error` when a watch cannot continue."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.changed, self.urgent = False, False
        self.error: BaseException | None = None
        self.outdated: set[str] = set()

    def notify(self, urgent: bool = False) -> None:
        """Something changed."""
        with self.lock:
            self.changed, self.urgent = True, self.urgent or urgent
            self.lock.notify_all()

    def fail(self, error: BaseException) -> None:
        """A thread ended by this error."""
        with self.lock:
            self.error = error
            self.lock.notify_all()

    def synced(self, what: str, yes: bool) -> bool:
        """Note that `what` is up to date or not; whether that is new."""
        with self.lock:
            changed = yes == (what in self.outdated)
            (self.outdated.discard if yes else self.outdated.add)(what)
            self.lock.notify_all()
            return changed

    def wait(self, soonest: float, urgently: float, latest: float) -> bool:
        """Sleep until a change may be looked at, by time.monotonic(), at `latest` in any case; True when urgent.

        Nothing is looked at while it may be out of date.
        """
        with self.lock:
            while self.error is None:
                now = time.monotonic()
                due = urgently if self.urgent else soonest if self.changed else latest
                if now >= min(due, latest) and not self.outdated:
                    break
                self.lock.wait(None if self.outdated else min(due, latest) - now)
            urgent, self.changed, self.urgent = self.urgent, False, False
            if self.error is not None:
                raise self.error
            return urgent


class PodCache:
    """The job's pods, kept up to date by a watch (a kubernetes.EventHandler)."""

    def __init__(self, job_name: str, wakeup: Wakeup, log: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._job_name, self._wakeup, self._log, self._clock = job_name, wakeup, log, clock
        self._pods: dict[Task, Pod] = {}
        wakeup.synced("pods", False)

    def snapshot(self) -> dict[Task, Pod]:
        """All of them now."""
        with self._wakeup.lock:
            return dict(self._pods)

    def get(self, task: Task) -> Pod | None:
        """A task's pod now."""
        with self._wakeup.lock:
            return self._pods.get(task)

    def updated(self, document: Document) -> None:
        """See kubernetes.EventHandler."""
        new = pod(self._job_name, document, self._clock())
        if new is None:
            return
        old = self._pods.get(new.task)
        if old == new:
            return
        with self._wakeup.lock:
            self._pods[old.task if old else new.task] = new  # the same key as before: no second Task in memory
        exited = (new.last, new.current) != ((old.last, old.current) if old and old.uid == new.uid else (None, None))
        self._wakeup.notify(urgent=exited and new.deleted is None)

    def deleted(self, document: Document) -> None:
        """See kubernetes.EventHandler."""
        metadata = document["metadata"]
        task = task_of(self._job_name, metadata["name"], metadata.get("labels", {}).get(ROLE_LABEL, ""))
        if task:
            with self._wakeup.lock:
                self._pods.pop(task, None)
        self._wakeup.notify()

    def listed(self, names: set[str]) -> None:
        """See kubernetes.EventHandler."""
        with self._wakeup.lock:
            for task in [task for task in self._pods if pod_name(self._job_name, task) not in names]:
                del self._pods[task]
        self._wakeup.notify()

    def synced(self, yes: bool, why: str = "") -> None:
        """See kubernetes.EventHandler."""
        if self._wakeup.synced("pods", yes) and why:
            self._log(f"the pods cannot be watched, trying again: {why}")


@dataclass(frozen=True)
class StatusObject:
    """The status ConfigMap: what is desired (annotations), and who wrote what last (data)."""

    version: str
    run_id: str
    controller: str
    suspend: bool
    holder: str
    text: str
    chart: str = ""  # version

    @classmethod
    def read(cls, document: Document) -> StatusObject:
        """From the API's object."""
        metadata, data = document["metadata"], document.get("data") or {}
        annotations = metadata.get("annotations") or {}
        return cls(
            metadata["resourceVersion"],
            annotations.get(RUN_ANNOTATION, ""),
            annotations.get(CONTROLLER_ANNOTATION, ""),
            annotations.get(SUSPEND_ANNOTATION) == "true",
            data.get(HOLDER_KEY, ""),
            "\n".join(filter(None, (data.get(STATUS_KEY), data.get(HANDLED_KEY)))) if data.get(STATUS_KEY) else "",
            (metadata.get("labels") or {}).get(CHART_LABEL, "").removeprefix(CHART_PREFIX),
        )


class DesiredState:
    """The status ConfigMap, kept up to date by a watch (a kubernetes.EventHandler); None when there is none."""

    def __init__(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self.status: StatusObject | None = None
        wakeup.synced("status", False)

    def updated(self, document: Document) -> None:
        """See kubernetes.EventHandler."""
        old, self.status = self.status, StatusObject.read(document)
        if old is None or replace(old, version="", text="") != replace(self.status, version="", text=""):
            self._wakeup.notify(urgent=True)
        elif not self.status.text:
            self._wakeup.notify()

    def deleted(self, document: Document) -> None:  # noqa: ARG002
        """See kubernetes.EventHandler."""
        self.status = None
        self._wakeup.notify(urgent=True)

    def listed(self, names: set[str]) -> None:
        """See kubernetes.EventHandler."""
        if not names:
            self.deleted({})

    def synced(self, yes: bool, why: str = "") -> None:  # noqa: ARG002
        """See kubernetes.EventHandler. Awaited once; later the pods matter, and a write notices another controller."""
        if yes:
            self._wakeup.synced("status", True)
