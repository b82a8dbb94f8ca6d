"""A local copy of a list of objects, kept up to date by a watch; names as in Kubernetes' client-go.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterable, Mapping

from tfconfig.cluster import shapes
from tfconfig.cluster.errors import ClusterError, ForbiddenError, from_stderr
from tfconfig.cluster.kubectl import Kubectl, Object
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, conforming, parse_json

RETRY_SECONDS = 5.0  # after a watch that failed
POLL_SECONDS = 10.0  # between lists where watching is forbidden


class Wakeup:
    """Wakes whoever waits for a change; one that comes while nobody waits is not lost."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self._changes = self._seen = 0

    def notify(self) -> None:
        """Something changed."""
        with self.lock:
            self._changes += 1
            self.lock.notify_all()

    def wait(self, seconds: float) -> None:
        """Until something has changed since the last call, for at most so many seconds."""
        with self.lock:
            self.lock.wait_for(lambda: self._changes != self._seen, seconds)
            self._seen = self._changes


class Store:
    """The objects of a list by name. Every change makes a new mapping, so that readers need no lock.

    `error` says why the objects may be out of date; None while they are not.
    """

    def __init__(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self.objects: Mapping[str, Object] = {}
        self.error: ClusterError | None = None

    def replace(self, items: Iterable[Object]) -> None:
        """The list as it is now."""
        self._set({item["metadata"]["name"]: item for item in items}, None)

    def apply(self, event: str, item: Object) -> None:
        """One event of a watch: ADDED, MODIFIED or DELETED."""
        name = item["metadata"]["name"]
        others = {other: object_ for other, object_ in self.objects.items() if other != name}
        self._set(others if event == "DELETED" else {**others, name: item}, None)

    def fail(self, error: ClusterError) -> None:
        """The objects cannot be brought up to date."""
        self._set(self.objects, error)

    def _set(self, objects: Mapping[str, Object], error: ClusterError | None) -> None:
        self.objects, self.error = objects, error
        self._wakeup.notify()


class Reflector:
    """Lists at once, then keeps `store` up to date from a thread, by a watch, until it is closed.

    The constructor raises ClusterError; later errors are in `store.error` until they are over.
    """

    def __init__(self, kubectl: Kubectl, resource: str, wakeup: Wakeup, **query: str) -> None:
        self._kubectl, self._resource, self._path, self._query = kubectl, resource, kubectl.path(resource), query
        self._lock = threading.Lock()  # of the next two
        self._closed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self.store = Store(wakeup)
        self._version = self._list()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """End the watch."""
        with self._lock:
            self._closed.set()
            if self._process:
                self._process.kill()

    def _list(self) -> str:
        """Fill the store; the resource version to watch from."""
        answer = self._kubectl.get(self._path, **self._query)
        self.store.replace(self._kubectl.listed(self._resource, answer))
        return str((answer.get("metadata") or {}).get("resourceVersion", ""))

    def _run(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            pause = RETRY_SECONDS
            try:
                changed, error = self._watch()
                if isinstance(error, ForbiddenError):
                    pause = POLL_SECONDS
                elif changed:
                    pause = 0.0  # a server ends its watches after a while
                if not self._closed.is_set():
                    self._version = self._list()
            except ClusterError as error:
                self.store.fail(error)

    def _watch(self) -> tuple[bool, ClusterError | None]:
        """Watch until that ends: whether there was any event, and the error that it ended with."""
        query = {**self._query, "watch": "1", "resourceVersion": self._version}
        with self._lock:
            if self._closed.is_set():
                return False, None
            self._process = self._kubectl.stream(self._path, **query)
        changed = False
        with self._process as process:
            assert process.stdout
            assert process.stderr
            for line in process.stdout:
                try:
                    event = conforming(parse_json(line), shapes.Event)
                    if event["type"] == "ERROR":
                        break
                    item = shapes.item(self._resource, event["object"])
                except ShapeError:
                    break  # cut off in the middle
                changed = True
                self.store.apply(event["type"], item)
            process.kill()
            stderr = process.stderr.read().decode("utf-8", "replace")
        return changed, from_stderr(stderr, self._kubectl.namespace) if stderr else None
