"""The user's kubectl, with his contexts and login plugins: whatever the commands for a cluster ask goes through here.

Requests are made with `kubectl get --raw`: one call each, no discovery, the API's own JSON; watches and logs too.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlencode

import click

Object = dict[str, Any]
_Command = TypeVar("_Command", bound=Callable[..., Any])

INTERRUPTED = 130
REQUEST_SECONDS = 20
RETRY_SECONDS = 5.0  # a watch that ended
POLL_SECONDS = 10.0  # where watching is not allowed

_GROUPS = {
    "jobs": "/apis/batch/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
}


class ClusterError(click.ClickException):
    """What the cluster, or kubectl, does not do: one sentence, and what to do."""

    exit_code = 2


class ForbiddenError(ClusterError):
    """The user lacks a right."""


class NotFoundError(ClusterError):
    """There is no such object, or its namespace is not there."""


class RefusedError(ClusterError):
    """The API server answers with another error."""


class SilentError(ClusterError):
    """Nobody answers."""


def options(command: _Command) -> _Command:
    """Give a command -n/--namespace and --context, as the parameters `namespace` and `context`.

    Ctrl-C ends it with 130: 1 would say that the job has failed.
    """

    @functools.wraps(command)
    def wrapper(**parameters: Any) -> Any:
        try:
            return command(**parameters)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)

    where = click.option("-n", "--namespace", metavar="NAME", help="Namespace; default: that of the context.")
    context = click.option("--context", metavar="NAME", help="Context of kubectl; default: the current one.")
    decorated: Any = wrapper
    result: _Command = where(context(decorated))
    return result


class Kubectl:
    """Calls kubectl; every method may raise ClusterError."""

    def __init__(self, namespace: str | None = None, context: str | None = None) -> None:
        self._options = [f"--context={context}"] if context else []
        self._given = namespace

    @cached_property
    def namespace(self) -> str:
        """The one that the user gives, else that of his context."""
        if self._given:
            return self._given
        # With an empty configuration this ends with an error; the first request then says what is wrong.
        done = self._run(["config", "view", "--minify", "-o", "jsonpath={..namespace}"])
        return done.stdout.strip() or "default"

    def path(self, plural: str, name: str = "", sub: str = "", everywhere: bool = False) -> str:
        """The path of a list, an object or its subresource; `everywhere`: of all namespaces or of none."""
        parts = [
            _GROUPS.get(plural, "/api/v1"),
            "" if everywhere else f"namespaces/{self.namespace}",
            plural,
            name,
            sub,
        ]
        return "/".join(part for part in parts if part)

    def get(self, path: str, **query: str) -> Object:
        """The answer of the API to a path."""
        found: Object = json.loads(self.text(path, **query))
        return found

    def text(self, path: str, **query: str) -> str:
        """The same as it is."""
        done = self._run(["get", f"--raw={_url(path, query)}", f"--request-timeout={REQUEST_SECONDS}s"])
        if done.returncode != 0:
            raise explained(done.stderr, self.namespace)
        return done.stdout

    def items(self, plural: str, everywhere: bool = False, **query: str) -> list[Object]:
        """The objects of a kind."""
        items: list[Object] = self.get(self.path(plural, everywhere=everywhere), **query)["items"]
        return items

    def stream(self, path: str, **query: str) -> subprocess.Popen[bytes]:
        """A request that goes on: a watch or a log. The caller reads stdout, and ends it."""
        words = self._words(["get", f"--raw={_url(path, query)}"])
        try:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise _no_kubectl(error) from None

    def feed(self, arguments: list[str], documents: Iterable[Object]) -> subprocess.CompletedProcess[str]:
        """kubectl with objects on its standard input; the caller judges how it ended."""
        return self._run([*arguments, f"--namespace={self.namespace}", "-f", "-"], _as_list(documents))

    def _words(self, arguments: list[str]) -> list[str]:
        return ["kubectl", *self._options, *arguments]

    def _run(self, arguments: list[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self._words(arguments),
                input=text if text is not None else "",
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise _no_kubectl(error) from None


def _as_list(documents: Iterable[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})


def _url(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _no_kubectl(error: OSError) -> ClusterError:
    if isinstance(error, FileNotFoundError):
        return ClusterError("there is no kubectl on PATH; install it: https://kubernetes.io/docs/tasks/tools/")
    return ClusterError(f"kubectl cannot be started: {error.strerror}; repair its installation")


def explained(stderr: str, namespace: str = "") -> ClusterError:
    """What kubectl wrote when it failed, as one sentence with what to do."""
    # Before the last line come lines of its own log, and advice of login plugins.
    said = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = said[-1] if said else "kubectl failed and did not say why"
    if "(Forbidden)" in last:
        right = re.search(r'cannot (\w+) resource "([^"]+)"', last)
        what = f"{right[1]} {right[2]}" if right else "that"
        where = f"in namespace {namespace}" if "in the namespace" in last else "in the whole cluster"
        return ForbiddenError(
            f"you have no right to {what} {where}; ask who administers it for get, list and watch of "
            "pods, configmaps and jobs, and get of pods/log, or give another --namespace or --context"
        )
    if "the server could not find the requested resource" in last:
        # Without a configuration kubectl tries localhost:8080, where anything may listen.
        return SilentError("what answers is no Kubernetes API; set KUBECONFIG, or choose a cluster with --context")
    if "(NotFound)" in last:
        return NotFoundError(last.partition(": ")[2])
    if re.search(r'context "?[^ "]+"? does not exist|context was not found', last):
        return ClusterError(
            f"{last.removeprefix('error: ')}; `kubectl config get-contexts` lists the contexts there are"
        )
    # EOF: the context has no user, so kubectl asks for a name, and nobody is there to answer.
    if re.search(
        r"^error: EOF$|Unauthorized|must be logged in|provide credentials|getting credentials|executable .* not found",
        stderr,
    ):
        return ClusterError(f"the cluster does not accept your login ({last.removeprefix('error: ')}); log in again")
    if "localhost:8080" in last:
        return SilentError("kubectl has no cluster to talk to; set KUBECONFIG, or choose one with --context")
    if re.search(r"connection to the server|Unable to connect|no such host|timeout|timed out|unreachable|EOF", last):
        words = last.removeprefix("Unable to connect to the server: ").partition(" - did you")[0]
        return SilentError(f"the cluster does not answer ({words}); check the network, and --context")
    return RefusedError(last)


def documents(text: str) -> list[Object]:
    """The objects that `kubectl create -o json` prints, one after the other, or as a list."""
    found: list[Object] = []
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        one, at = decoder.raw_decode(text, at)
        found += one["items"] if one["kind"] == "List" else [one]
    return found


def together(*calls: Callable[[], Any]) -> list[Any]:
    """The results of several calls made at the same time: a login plugin may take a second for each."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


class News:
    """Tells that something changed, also what changed while nobody was waiting."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self._count = self._seen = 0

    def ring(self) -> None:
        """Something changed."""
        with self.lock:
            self._count += 1
            self.lock.notify_all()

    def wait(self, seconds: float) -> None:
        """Until something has changed since the last call, for at most so many seconds."""
        with self.lock:
            self.lock.wait_for(lambda: self._count != self._seen, seconds)
            self._seen = self._count


class Mirror:
    """The objects of a list as they are now, by name: listed at once, then watched by a thread, listed again at need.

    The constructor raises ClusterError; later ones are in `trouble` until they are over. `news` tells of changes.
    """

    def __init__(self, kubectl: Kubectl, plural: str, news: News, **query: str) -> None:
        self._kubectl, self._path, self._query, self._news = kubectl, kubectl.path(plural), query, news
        self._closed = threading.Event()
        self._watch: subprocess.Popen[bytes] | None = None
        self.trouble: ClusterError | None = None
        self.objects: dict[str, Object] = {}
        self._version = self._list()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the watch."""
        with self._news.lock:
            self._closed.set()
            if self._watch:
                self._watch.kill()

    def _list(self) -> str:
        found = self._kubectl.get(self._path, **self._query)
        self._tell({item["metadata"]["name"]: item for item in found["items"]}, None)
        return str(found["metadata"]["resourceVersion"])

    def _tell(self, objects: dict[str, Object], trouble: ClusterError | None) -> None:
        # A new dictionary each time: readers need no lock.
        self.objects, self.trouble = objects, trouble
        self._news.ring()

    def _work(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            pause = RETRY_SECONDS
            try:
                seen, error = self._follow()
                if isinstance(error, ForbiddenError):
                    pause = POLL_SECONDS
                elif seen:
                    pause = 0.0  # a server ends its watches after a while
                if not self._closed.is_set():
                    self._version = self._list()
            except ClusterError as error:
                self._tell(self.objects, error)

    def _follow(self) -> tuple[bool, ClusterError | None]:
        """Watch until that ends: whether it told anything, and the error that it ended with."""
        query = {**self._query, "watch": "1", "resourceVersion": self._version}
        with self._news.lock:
            if self._closed.is_set():
                return False, None
            self._watch = self._kubectl.stream(self._path, **query)
        seen = False
        with self._watch as process:
            assert process.stdout
            assert process.stderr
            for line in process.stdout:
                try:
                    event = json.loads(line)
                except ValueError:
                    break  # cut off in the middle
                if event["type"] == "ERROR":
                    break
                seen = True
                self._note(event["type"], event["object"])
            process.kill()
            said = process.stderr.read().decode("utf-8", "replace")
        return seen, explained(said, self._kubectl.namespace) if said else None

    def _note(self, kind: str, item: Object) -> None:
        name = item["metadata"]["name"]
        others = {other: found for other, found in self.objects.items() if other != name}
        self._tell(others if kind == "DELETED" else {**others, name: item}, None)
