"""The cluster's API, through `kubectl proxy`: it can log in wherever kubectl can, and a call costs milliseconds."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

Object = dict[str, Any]

_GROUPS = {
    "statefulsets": "/apis/apps/v1",
    "tfjobs": "/apis/kubeflow.org/v1",
    "applications": "/apis/argoproj.io/v1alpha1",
    "jobs": "/apis/batch/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
}


class ApiError(Exception):
    """The API server answered, but not with success; `status` 0: there was no answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Api:
    """Calls the API server. A kind of object is named by its plural: `pods`; `namespace` "" is for those without."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._folder = tempfile.mkdtemp(prefix="cluster-tests-")
        self._path = str(Path(self._folder) / "api")
        self._proxy = subprocess.Popen(
            ["kubectl", "proxy", f"--unix-socket={self._path}"], env=environ, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 30
        while not self._answers():
            if self._proxy.poll() is not None or time.monotonic() > until:
                self.close()
                raise RuntimeError("the API server does not answer, or kubectl proxy does not start")
            time.sleep(0.02)

    def close(self) -> None:
        """End the proxy."""
        self._proxy.terminate()
        self._proxy.wait()
        shutil.rmtree(self._folder)

    def get(self, plural: str, namespace: str, name: str = "", **query: str) -> Object:
        """One object, or without a name the list of them."""
        answer: Object = json.loads(self.text("GET", _path(plural, namespace, name), query=query))
        return answer

    def create(self, plural: str, namespace: str, body: Object, sub: str = "") -> Object:
        """Create an object, or for a subresource (`pods`, `eviction`) ask for it."""
        name = body["metadata"]["name"] if sub else ""
        answer: Object = json.loads(self.text("POST", _path(plural, namespace, name, sub), body))
        return answer

    def patch(self, plural: str, namespace: str, name: str, body: Object, sub: str = "") -> Object:
        """Merge into an object."""
        kind = "application/merge-patch+json"
        answer: Object = json.loads(self.text("PATCH", _path(plural, namespace, name, sub), body, kind))
        return answer

    def delete(self, plural: str, namespace: str, name: str, grace: int | None = None) -> None:
        """Delete an object, and do not wait for its end."""
        body: Object = {"propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        self.text("DELETE", _path(plural, namespace, name), body)

    def text(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        kind: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> str:
        """Make a call and return the answer as it is."""
        connection = _Connection(self._path, 30)
        try:
            response = self._send(connection, method, path, body, kind, query or {})
            answer = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(0, repr(error)) from error
        finally:
            connection.close()
        if response.status >= 300:
            # The proxy's own answer when it does not reach the API server.
            raise ApiError(0 if response.status == 502 else response.status, answer)
        return answer

    def watch(
        self, plural: str, namespace: str, version: str, opened: Callable[[http.client.HTTPConnection], None]
    ) -> Iterator[tuple[str, Object]]:
        """Every change from then on, as (type, object); it ends when the connection does."""
        connection = _Connection(self._path, None)
        try:
            query = {"watch": "1", "resourceVersion": version}
            response = self._send(connection, "GET", _path(plural, namespace), None, "application/json", query)
            opened(connection)
            while line := response.readline():
                event = json.loads(line)
                yield event["type"], event["object"]
        except (OSError, http.client.HTTPException, ValueError):
            return
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return bool(self.text("GET", "/version"))
        except ApiError:
            return False

    def _send(
        self,
        connection: _Connection,
        method: str,
        path: str,
        body: Object | None,
        kind: str,
        query: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        content = None if body is None else json.dumps(body)
        url = path + ("?" + urlencode(query) if query else "")
        connection.request(method, url, content, {"Content-Type": kind})
        return connection.getresponse()


def _path(plural: str, namespace: str, name: str = "", sub: str = "") -> str:
    parts = [_GROUPS.get(plural, "/api/v1")]
    parts += ["namespaces", namespace] if namespace else []
    return "/".join([*parts, plural, *filter(None, (name, sub))])
