"""A client of the Kubernetes API with the standard library alone: calls, and lists that are kept up to date.

Rules of the API: https://kubernetes.io/docs/reference/using-api/api-concepts/ (watch, bookmarks, 410 Gone, paging)
and https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ (the service account's folder).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

from .server_clock import ServerClock

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
FIELD_MANAGER = "tensorflow-job"
GROUPS = {"statefulsets": "/apis/apps/v1", "jobs": "/apis/batch/v1"}  # the others are in the core group

PAGE_SIZE = 100  # objects per page of a list: a page of pods is what most memory goes to
WATCH_SECONDS = 300  # the server ends a watch after this time
SILENCE_SECONDS = 90.0  # it sends a bookmark each minute: a watch that is silent for longer is dead
MAX_PAUSE_SECONDS = 5.0
LOG_BYTES, LOG_SECONDS = 128 * 1024, 5.0  # of a log that are kept, and for it to come

Document = dict[str, Any]
T = TypeVar("T")


class ApiError(Exception):
    """The server's refusal, in its words; status 0 when there was no answer."""

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{status or 'no answer'}: {message}")
        self.status, self.message, self.retry_after = status, message, retry_after

    @property
    def temporary(self) -> bool:
        """Whether the same request may well succeed a little later."""
        return self.status in (0, 408, 429) or self.status >= 500


class EventHandler(Protocol):
    """Who is kept up to date by `Client.follow`."""

    def updated(self, document: Document) -> None:
        """This object is new or has changed."""

    def deleted(self, document: Document) -> None:
        """This object is gone."""

    def listed(self, names: set[str]) -> None:
        """A list is complete: no other objects exist."""

    def synced(self, yes: bool, why: str = "") -> None:
        """From now on what was reported is up to date, or it may not be, and why."""


class Client:
    """A client of one namespace; each thread that uses it keeps one connection open.

    `server`, `folder` and `namespace` are the pod's own unless given. Back-off starts at `pause` seconds, and a refusal
    is believed after 60 pauses (a new Role takes a moment to work).
    """

    def __init__(
        self,
        server: str = "",
        folder: str = SERVICE_ACCOUNT,
        namespace: str = "",
        timeout: float = 10.0,
        pause: float = 0.5,
    ) -> None:
        if not server:
            host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
            server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        self.server, self._folder = urlsplit(server), folder
        self.namespace = namespace or self._secret("namespace")
        self._timeout, self._pause, self._patience = timeout, pause, 60 * pause
        self._local = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
        self.closed = threading.Event()
        self.clock = ServerClock()

    # --- calls ---

    def get(self, resource: str, name: str = "", sub: str = "", **query: Any) -> Document:
        """One object, or a page of a list."""
        return self._json("GET", self._path(resource, name, sub), query)

    def patch(self, resource: str, name: str, body: Mapping[str, Any], sub: str = "") -> Document:
        """JSON merge patch (RFC 7386); conditional when it holds metadata.resourceVersion."""
        path = self._path(resource, name, sub)
        return self._json("PATCH", path, {"fieldManager": FIELD_MANAGER}, body, "application/merge-patch+json")

    def create(self, resource: str, body: Mapping[str, Any]) -> Document:
        """A new object."""
        return self._json("POST", self._path(resource), {"fieldManager": FIELD_MANAGER}, body)

    def delete_pod(self, name: str, uid: str, grace: int | None = None) -> None:
        """Delete this very pod (409 when the name is another's by now).

        `grace` seconds instead of the pod's own; 0 also where its node does not answer.
        """
        body: Document = {"preconditions": {"uid": uid}}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        self._call("DELETE", self._path("pods", name), {}, body)

    def log_tail(self, pod: str, container: str, lines: int, previous: bool) -> str:
        """The last lines that a container of a pod, or the one before it, printed."""
        # No limitBytes: the API cuts what is too much off the end, and one line may be a progress bar of megabytes.
        query = {"container": container, "tailLines": lines, "previous": previous}
        path = self._path("pods", pod, "log")
        return self._call("GET", path, query, timeout=2.0, keep=LOG_BYTES).decode(errors="replace")

    def insist(self, call: Callable[[], T], log: Callable[[str], None]) -> T:
        """Repeat a call until it is done: as long as the server is out of reach, half a minute while it refuses.

        A conflict (409) is the caller's to solve.
        """
        begun, tries = time.monotonic(), 0
        while True:
            try:
                return call()
            except ApiError as error:
                refused = not error.temporary and time.monotonic() - begun > self._patience
                if error.status in (409, 422) or refused or self.closed.is_set():
                    raise
                if tries == 0:
                    log(f"the API server refused the request, trying again: {error}")
                tries += 1
                self.back_off(tries, error)

    def back_off(self, tries: int, error: ApiError | None = None) -> None:
        """Back-off with jitter: controllers that lost the same server do not come back as one."""
        longest = min(self._pause * 2 ** min(tries - 1, 8), MAX_PAUSE_SECONDS)
        self.closed.wait(max(longest * random.uniform(0.5, 1.0), error.retry_after if error else 0.0))

    # --- watching ---

    def follow(self, resource: str, handler: EventHandler, **query: str) -> None:
        """Keep a handler up to date until the client is closed: list, watch, resume; list anew only after 410 Gone.

        Raises ApiError when the server refuses for half a minute.
        """
        version, tries, refused = "", 0, 0.0
        while not self.closed.is_set():
            begun, opened = time.monotonic(), False
            try:
                if not version:
                    version = self._list(resource, handler, query)
                    handler.synced(True)
                for kind, document in self._watch(resource, query, version):
                    if kind == "ERROR":  # a refusal like any other, though the answer began with 200
                        raise ApiError(document.get("code", 500), document.get("message", ""))
                    if kind == "OPEN":
                        opened = True
                        handler.synced(True)
                        continue
                    tries, refused = 0, 0.0
                    if kind != "BOOKMARK":
                        (handler.deleted if kind == "DELETED" else handler.updated)(document)
                    version = document["metadata"]["resourceVersion"]
                tries, refused = 0, 0.0
                if time.monotonic() - begun < 1.0:  # a server that ends watches at once is not asked in a tight loop
                    self.back_off(1)
            except ApiError as error:
                if self.closed.is_set():
                    return
                if opened and (not error.status or time.monotonic() - begun > self._patience):
                    tries, refused = 0, 0.0  # it was a watch until it broke
                if error.status == 410:
                    version = ""
                elif not error.temporary:
                    refused = refused or begun
                    if begun - refused > self._patience:
                        raise
                handler.synced(False, str(error))
                tries += 1
                self.back_off(tries, error)

    def _list(self, resource: str, handler: EventHandler, query: Mapping[str, str]) -> str:
        names: set[str] = set()
        more = ""
        while True:
            page = self.get(resource, **query, limit=PAGE_SIZE, **{"continue": more} if more else {})
            for document in page["items"]:
                names.add(document["metadata"]["name"])
                handler.updated(document)
            more = page["metadata"].get("continue", "")
            if not more:
                handler.listed(names)
                return str(page["metadata"]["resourceVersion"])

    def _watch(self, resource: str, query: Mapping[str, str], version: str) -> Iterator[tuple[str, Document]]:
        seconds = int(WATCH_SECONDS * random.uniform(0.8, 1.2))
        options = {"watch": 1, "allowWatchBookmarks": True, "resourceVersion": version, "timeoutSeconds": seconds}
        connection = None
        try:
            connection = self._connect(self._timeout)
            response = self._send(connection, "GET", self._path(resource), {**query, **options})
            connection.sock.settimeout(SILENCE_SECONDS)
            yield "OPEN", {}
            rest = b""
            while piece := response.read1(65536):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    yield event["type"], event["object"]
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ApiError(0, _error_text(error)) from error
        finally:
            if connection:
                self._drop(connection)

    # --- HTTP ---

    def _path(self, resource: str, name: str = "", sub: str = "") -> str:
        parts = [GROUPS.get(resource, "/api/v1"), "namespaces", self.namespace, resource, name, sub]
        return "/".join(part for part in parts if part)

    def _json(self, *request: Any) -> Document:
        document: Document = json.loads(self._call(*request))
        return document

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
        timeout: float = 0.0,
        keep: int = 0,
    ) -> bytes:
        """One request over this thread's connection; a new one when the server has closed that in the meantime.

        With `keep` only the last so many bytes of the answer are kept.
        """
        while True:
            connection = getattr(self._local, "connection", None)
            used = connection is not None
            try:
                connection = self._local.connection = connection or self._connect(self._timeout)
                connection.sock.settimeout(timeout or self._timeout)
                response = self._send(connection, method, path, query, body, content)
                return _last_bytes(response, keep) if keep else response.read()
            except (OSError, http.client.HTTPException) as error:
                self._local.connection = None
                if connection:
                    self._drop(connection)
                if not used or isinstance(error, TimeoutError) or self.closed.is_set():
                    raise ApiError(0, _error_text(error)) from error

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": FIELD_MANAGER}
        token = self._secret("token")  # read each time: the kubelet renews it
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = content
        query = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
        target = f"{path}?{urlencode(query)}" if query else path
        sent = time.monotonic()
        connection.request(method, target, None if body is None else json.dumps(body).encode(), headers)
        response = connection.getresponse()
        if response.status < 400:
            self.clock.heard(response.headers.get("Date"), sent, time.monotonic())
            return response
        text = response.read()
        try:
            message = str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            message = text[:200].decode(errors="replace") or response.reason
        after = response.headers.get("Retry-After", "")
        raise ApiError(response.status, message, float(after) if after.isdigit() else 0.0)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self.server.hostname or "", self.server.port
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if self.server.scheme == "https":
            # Not ssl.create_default_context(): its VERIFY_X509_STRICT (Python 3.13) refuses the CAs of many clusters.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(os.path.join(self._folder, "ca.crt"))
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        connection.connect()
        self._open.add(connection)
        if self.closed.is_set():  # close() may not have seen it
            self._drop(connection)
            raise ConnectionError("closed")
        # A server or node that vanished is noticed within 25 s instead of at the read time-out.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                connection.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return connection

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        self._open.discard(connection)
        connection.close()

    def leave(self) -> None:
        """This thread makes no more calls."""
        connection, self._local.connection = getattr(self._local, "connection", None), None
        if connection:
            self._drop(connection)

    def close(self) -> None:
        """End every watch and call: each thread finds its connection broken, and closes it."""
        self.closed.set()
        for connection in list(self._open):
            with contextlib.suppress(OSError, AttributeError):  # its thread has closed it already
                connection.sock.shutdown(socket.SHUT_RDWR)
        self.leave()

    def _secret(self, name: str) -> str:
        try:
            with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""


def _last_bytes(response: http.client.HTTPResponse, keep: int) -> bytes:
    """The end of an answer. One that takes too long raises TimeoutError."""
    until, last = time.monotonic() + LOG_SECONDS, b""
    while piece := response.read1(65536):
        last = (last + piece)[-keep:]
        if time.monotonic() > until:
            raise TimeoutError(f"the log did not end within {LOG_SECONDS:.0f} s")
    response.close()  # read1 does not notice the end of an answer with a Content-Length
    return last


def _error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
