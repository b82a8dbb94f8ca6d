"""The state of the run in the status ConfigMap, and who may write it (fencing).

The ConfigMap's annotations, which Helm writes, name the run and the Job; the key `holder` of its data names the pod
that writes: the one that came last. Each write is conditional on the version read before, so a controller that another
one replaced is refused with 409, reads who is named, and ends or waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from ..task.contracts import JobSpec
from ..task.job_spec import Task, tasks
from ..task.names import HANDLED_KEY, HOLDER_KEY, STATUS_KEY
from . import status
from .informer import DesiredState, StatusObject
from .kubernetes import ApiError, Client
from .log import Log
from .state import Pod, Progress, State, Usage

WRITE_SECONDS = 1.0  # between writes that nothing waits for
TASKS_PER_WRITE_SECOND = 500  # writes of counts alone are rarer in large jobs: each node's kubelet fetches each one
STEP_SECONDS = 10.0  # between writes of the program's progress alone ...
TASKS_PER_STEP_SECOND = 100  # ... which go on as long as the training does
USAGE_SECONDS = 60.0  # between writes of what the tasks used alone, apart from those of tasks that are new


class SupersededError(Exception):
    """Another controller or run is desired: this one waits (standby.py)."""


class ReplacedError(Exception):
    """Another pod of the same Job goes on: this one ends."""


class OutdatedError(Exception):
    """Another controller has written since the state was read: continue from what it wrote."""


class Identity(NamedTuple):
    """A controller: the run it was started for, its Kubernetes Job and its pod."""

    run_id: str
    kube_job: str
    pod: str


class StatusStore:
    """Loads and writes the state. `state` is the newest one, stored or not."""

    def __init__(self, client: Client, log: Log, name: str, identity: Identity, pace: float) -> None:
        self._client, self._log, self._name, self._identity = client, log, name, identity
        self._pace = pace
        self.state = State()
        self._text = ""  # as it is stored
        self._version = ""
        self._has_written = False  # this pod has written
        self._stored_essence = State()
        self._stored_progress: Progress | None = None
        self._stored_usage: Mapping[Task, Usage] = {}
        self._written_at = 0.0
        self.has_unwritten = False  # whether `state` is newer than what is stored

    def load(self) -> None:
        """Continue from what is stored. Raises SupersededError where another controller is named."""
        self._load_from(self.fence())

    def fence(self) -> StatusObject:
        """Read the ConfigMap itself. Raises SupersededError or ReplacedError unless it names this controller."""
        current = StatusObject.read(self._insist(partial(self._client.get, "configmaps", self._name)))
        mine = self._identity
        if not self.is_named(current):
            named = (current.run_id, current.controller) == (mine.run_id, mine.kube_job)
            raise (ReplacedError if named else SupersededError)(
                f"the status names run {current.run_id}, Job {current.controller}, pod {current.holder or 'none'}; "
                f"this is run {mine.run_id}, Job {mine.kube_job}, pod {mine.pod}"
            )
        self._version = current.version
        return current

    def is_named(self, current: StatusObject) -> bool:
        """Whether this controller may act, by this copy of the ConfigMap."""
        named = (current.run_id, current.controller) == (self._identity.run_id, self._identity.kube_job)
        return named and not (self._has_written and current.holder not in ("", self._identity.pod))

    def next_write(self, tasks_in_job: int) -> float:
        """When the state may be written again, by time.monotonic(), if nothing urgent happens."""
        return self._written_at + self._gap(self.state, tasks_in_job)

    def store(
        self, job: JobSpec, state: State, pods: Mapping[Task, Pod], desired: DesiredState, destructive: bool
    ) -> bool:
        """Store the state now, or later if nothing depends on it; whether it is stored.

        `destructive`: what follows takes away what the decision was based on. Raises OutdatedError, with the state
        loaded anew, SupersededError and ReplacedError.
        """
        essence = _essence(state)
        erased = desired.status is not None and not desired.status.text
        urgent = not self._has_written or erased or _headline(essence) != _headline(self._stored_essence)
        urgent = urgent or (destructive and essence != self._stored_essence)
        if not urgent and time.monotonic() < self._written_at + self._gap(state, len(tasks(job))):
            self.state, self.has_unwritten = state, True
            return False
        usage = state.usage if urgent or self._usage_is_due(state) else self._stored_usage
        text = status.dump(job, replace(state, usage=usage), pods)
        if text != self._text or not self._has_written or erased:
            self._write(text)
        self.state, self._text, self.has_unwritten = state, text, False
        self._stored_essence, self._stored_progress = essence, state.progress
        self._stored_usage = usage
        return True

    def _usage_is_due(self, state: State) -> bool:
        """Used is always more than before; that alone is written seldom."""
        if state.progress != self._stored_progress:
            return True
        gap = STEP_SECONDS if len(state.usage) > len(self._stored_usage) else USAGE_SECONDS
        return time.monotonic() >= self._written_at + gap * self._pace

    def _load_from(self, current: StatusObject) -> None:
        self._text = current.text
        try:
            self.state = status.load(current.text)
        except ValueError as error:
            self._log.write(f"the stored state cannot be read, starting from the pods: {error}")
            self.state = State()
        self._stored_essence, self._stored_progress = _essence(self.state), self.state.progress
        self._stored_usage = self.state.usage
        if current.text:
            self._log.write(f"continuing from: run {self.state.run_id}, {self.state.phase}, {self.state.message}")

    def _gap(self, state: State, tasks_in_job: int) -> float:
        if _essence(state) != self._stored_essence:
            gap = WRITE_SECONDS
        elif state.progress == self._stored_progress:
            gap = max(WRITE_SECONDS, tasks_in_job / TASKS_PER_WRITE_SECOND)
        else:
            gap = max(STEP_SECONDS, tasks_in_job / TASKS_PER_STEP_SECOND)
        return gap * self._pace

    def _write(self, text: str) -> None:
        document, _, handled = text.partition("\n")
        data = {STATUS_KEY: document, HANDLED_KEY: handled or None, HOLDER_KEY: self._identity.pod}
        while True:
            body = {"metadata": {"resourceVersion": self._version}, "data": data}
            try:
                written = self._insist(partial(self._client.patch, "configmaps", self._name, body))
                self._version = written["metadata"]["resourceVersion"]
                break
            except ApiError as error:
                if error.status != 409:
                    raise
                current = self.fence()
                if not self._has_written and current.text != self._text:
                    self._load_from(current)
                    raise OutdatedError from error
        self._has_written, self._written_at = True, time.monotonic()

    def _insist(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._client.insist(call, self._log.write_once)


def _essence(state: State) -> State:
    """What a restart must not lose: written within WRITE_SECONDS, and before anything that it was based on goes."""
    record = state.record and replace(state.record, points=())
    return replace(state, message="", progress=None, usage={}, record=record)


def _headline(state: State) -> tuple[object, ...]:
    return state.run_id, state.phase, state.reason, state.freed
