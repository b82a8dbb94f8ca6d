"""The user's kubectl, with their contexts and login plugins: every request to a cluster goes through it.

Requests are `kubectl get --raw`: one call each, no discovery, the API's own JSON; watches and logs too.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tfconfig.cluster import shapes
from tfconfig.cluster.errors import cannot_start, from_stderr, malformed
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, conforming, parse_json

Object = dict[str, Any]

REQUEST_SECONDS = 20
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # where pods have theirs
_GROUPS = {
    "jobs": "/apis/batch/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
}


class Kubectl:
    """Calls kubectl; every method may raise ClusterError."""

    def __init__(self, namespace: str | None = None, context: str | None = None) -> None:
        self._options = [f"--context={context}"] if context else []
        self._namespace = namespace

    @cached_property
    def namespace(self) -> str:
        """The given namespace, else that of the context, else that of the pod, as for kubectl itself."""
        if self._namespace:
            return self._namespace
        # With an empty configuration this fails; the first request then says what is wrong.
        result = self._run(["config", "view", "--minify", "-o", "jsonpath={..namespace}"])
        return result.stdout.strip() or _of_this_pod() or "default"

    def path(self, resource: str, name: str = "", subresource: str = "", all_namespaces: bool = False) -> str:
        """The API path of a list, an object or its subresource.

        `resource` is plural. `all_namespaces` is for lists, and for objects outside namespaces.
        """
        parts = [
            _GROUPS.get(resource, "/api/v1"),
            "" if all_namespaces else f"namespaces/{self.namespace}",
            resource,
            name,
            subresource,
        ]
        return "/".join(part for part in parts if part)

    def get(self, path: str, **query: str) -> Object:
        """The object or list at an API path."""
        try:
            answer: Object = conforming(parse_json(self.text(path, **query)), Object)
        except ShapeError as error:
            raise malformed(error) from None
        return answer

    def version(self) -> str:
        """The version of the API server."""
        try:
            return shapes.version(self.get("/version"))
        except ShapeError as error:
            raise malformed(error) from None

    def text(self, path: str, **query: str) -> str:
        """The answer at an API path as text, for logs."""
        # Any option about the connection keeps kubectl from the account of the pod that it runs in.
        limit = [] if _of_this_pod() else [f"--request-timeout={REQUEST_SECONDS}s"]
        result = self._run(["get", f"--raw={_url(path, query)}", *limit])
        if result.returncode != 0:
            raise from_stderr(result.stderr, self.namespace)
        return result.stdout

    def items(self, resource: str, all_namespaces: bool = False, **query: str) -> list[Object]:
        """The objects of a list."""
        return self.listed(resource, self.get(self.path(resource, all_namespaces=all_namespaces), **query))

    def item(self, resource: str, name: str) -> Object:
        """An object by its name."""
        try:
            return shapes.item(resource, self.get(self.path(resource, name)))
        except ShapeError as error:
            raise malformed(error) from None

    def listed(self, resource: str, answer: Object) -> list[Object]:
        """The objects in the answer to a list."""
        try:
            return shapes.items(resource, answer)
        except ShapeError as error:
            raise malformed(error) from None

    def stream(self, path: str, **query: str) -> subprocess.Popen[bytes]:
        """A watch or a log that is followed. The caller reads stdout, and ends the process."""
        return self._start(["get", f"--raw={_url(path, query)}"])

    def start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        """`kubectl ARGUMENTS` in the namespace. The caller reads stdout, and ends the process."""
        return self._start([*arguments, f"--namespace={self.namespace}"])

    def _start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        command = self._command(arguments)
        try:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise cannot_start(error) from None

    def send(self, arguments: list[str], objects: Iterable[Object]) -> subprocess.CompletedProcess[str]:
        """`kubectl ARGUMENTS -f -` with these objects on its standard input. The caller judges the exit status."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self._run([*arguments, f"--namespace={self.namespace}", "-f", "-"], manifest)

    def _command(self, arguments: list[str]) -> list[str]:
        return ["kubectl", *self._options, *arguments]

    def _run(self, arguments: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(self._command(arguments), input=stdin.encode(), capture_output=True, check=False)
        except OSError as error:
            raise cannot_start(error) from None
        # Not as text: Python would take each \r of a progress bar for the end of a line.
        texts = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)


def _of_this_pod() -> str:
    """The namespace of the account with which kubectl logs in from a pod; empty elsewhere."""
    try:
        return Path(SERVICE_ACCOUNT, "namespace").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _url(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def parse_objects(text: str) -> list[Object]:
    """The objects that `kubectl create -o json` prints, one after the other or as a list."""
    objects: list[Object] = []
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text.rstrip()):
            item, at = decoder.raw_decode(text, at + len(text[at:]) - len(text[at:].lstrip()))
            document = conforming(item, Object)
            objects += conforming(document.get("items"), list[Object]) if document.get("kind") == "List" else [document]
    except (ValueError, RecursionError) as error:
        raise malformed(error) from None
    return objects
