"""A namespace of the cluster, and everything that happens in it."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from hack.cluster.proxy import Api, ApiError, Object

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """An object as the watch reported it, and when."""

    time: float
    type: str
    object: Object


class Watch:
    """All objects of a kind in a namespace as they are now, and everything that happened to them."""

    def __init__(self, api: Api, plural: str, namespace: str, news: threading.Condition) -> None:
        self._api, self._plural, self._namespace, self._news = api, plural, namespace, news
        self.objects: dict[str, Object] = {}
        self.history: list[Seen] = []
        self._connection: http.client.HTTPConnection | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self._hang_up()
        self._thread.join()

    def _hang_up(self) -> None:
        connection = self._connection
        if connection and connection.sock:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                listing = self._api.get(self._plural, self._namespace)
            except ApiError:
                self._closed.wait(0.3)
                continue
            items = {item["metadata"]["name"]: item for item in listing["items"]}
            for name in [*self.objects]:
                if items.get(name, {}).get("metadata", {}).get("uid") != self.objects[name]["metadata"]["uid"]:
                    self._note("DELETED", self.objects[name])
            for name, item in items.items():
                if self.objects.get(name) != item:
                    self._note("MODIFIED" if name in self.objects else "ADDED", item)
            version = listing["metadata"]["resourceVersion"]
            for kind, item in self._api.watch(self._plural, self._namespace, version, self._opened):
                if kind not in ("ADDED", "MODIFIED", "DELETED"):
                    break
                self._note(kind, item)

    def _opened(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        if self._closed.is_set():
            self._hang_up()

    def _note(self, kind: str, item: Object) -> None:
        now, name = time.time(), item["metadata"]["name"]
        with self._news:
            self.history.append(Seen(now, kind, item))
            # A new dictionary each time: readers need no lock.
            others = {other: found for other, found in self.objects.items() if other != name}
            self.objects = others if kind == "DELETED" else {**others, name: item}
            self._news.notify_all()


class Namespace:
    """A namespace of its own for one test, or for the jobs of several, with what happens in it."""

    def __init__(self, api: Api, name: str) -> None:
        self.api, self.name = api, name
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        api.create("namespaces", "", {"metadata": {"name": name, "labels": {**labels, "tensorflow-job-test": "true"}}})
        self._news = threading.Condition()
        self._watches = [Watch(api, plural, name, self._news) for plural in ("pods", "configmaps", "jobs")]
        self.pods, self.configmaps, self.jobs = self._watches
        self.wait_until("the default service account", lambda: self._has("serviceaccounts", "default"))

    def close(self) -> None:
        """Delete it, without waiting for the end of what is in it."""
        for watch in self._watches:
            watch.close()
        self.api.delete("namespaces", "", self.name)

    def get(self, plural: str, name: str) -> Object:
        """One object."""
        return self.api.get(plural, self.name, name)

    def list(self, plural: str, **query: str) -> list[Object]:
        """Objects of a kind."""
        items: list[Object] = self.api.get(plural, self.name, **query)["items"]
        return items

    def create(self, plural: str, body: Object, sub: str = "") -> Object:
        """Create an object here."""
        return self.api.create(plural, self.name, body, sub)

    def wait_until(self, what: str, condition: Callable[[], T | None], seconds: float = 120) -> T:
        """The first true value of the condition, looked at whenever something changes; fails when none comes."""
        until = time.monotonic() + seconds
        while not (found := _or_none(condition)):
            left = until - time.monotonic()
            if left <= 0:
                pytest.fail(f"not within {seconds} s: {what}")
            with self._news:
                self._news.wait(min(left, 0.2))
        return found

    def _has(self, plural: str, name: str) -> bool:
        return bool(self.get(plural, name))


def _or_none(condition: Callable[[], T | None]) -> T | None:
    """The value of the condition; None while the API does not answer."""
    try:
        return condition()
    except ApiError as error:
        if error.status in (0, 404, 500, 503):
            return None
        raise
