"""A job on the Kubernetes of tests/unit/lifecycle/fake.py, behind a `kubectl` of its own: what the tool's commands see.

Nothing acts here but the test: it writes the status, makes and changes pods, and prints lines in their containers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.lifecycle.fake import NAMESPACE, Cluster, Document, RefusedError
from tests.unit.lifecycle.fake_server import Handler, Server
from tests.unit.tool.cluster import documents, kubectl_shim
from tests.unit.tool.cluster.documents import CONTROLLER, RUN
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.state import FAILED, RUNNING, SUCCEEDED, State
from tfconfig.tensorflow_job.task.job_spec import Task

ROOT = Path(__file__).resolve().parents[4]
JOB = "digits"
LABELS = {"app.kubernetes.io/name": "tensorflow-job", "app.kubernetes.io/component": "lifecycle"}
PATIENCE = 120.0  # seconds after which a condition is given up: a busy machine takes its time

RUNS = State(run_id=RUN, phase=RUNNING, message="all 2 tasks run or are done", started=documents.NOW)
WON = replace(
    RUNS, phase=SUCCEEDED, reason="Completed", message="worker-0 exited 0", finished=documents.NOW + 60,
    deciding_task=Task("worker", 0), exit_code=0,
)  # fmt: skip
LOST = replace(
    RUNS, phase=FAILED, reason="TaskFailed", message="worker-0 exited 3; restart.policy Never does not restart it",
    finished=documents.NOW + 60, deciding_task=Task("worker", 0), exit_code=3, failures=1,
    last_line="ValueError: bad shape", hint="reshape it",
)  # fmt: skip
LOG = "Failed (TaskFailed): worker-0 exited 3\nlast lines of worker-0:\n  Traceback\n  ValueError: bad shape\n"


class Kube(Cluster):
    """One job of two workers, freshly installed. Containers print what `say` gives them."""

    def __init__(self) -> None:
        spec = documents.job_spec(worker=2)
        super().__init__(dict(spec), CONTROLLER)
        self.spec = spec
        self.bookmark_seconds = 1.0
        self.groups = ["apps/v1"]  # API groups that are served, with a version of each
        self.logs: dict[tuple[str, int], list[str]] = {}  # uid and number of a container -> lines with their times
        self.feed: Callable[[list[str], list[Document]], tuple[int, str, str]] = lambda _words, _items: (0, "", "")
        self.change("configmaps", f"{JOB}-status", {"metadata": {"labels": {**LABELS, **_instance(JOB)}}})
        self.change("jobs", CONTROLLER, {"metadata": {"labels": {"tensorflow-job/job": JOB}}, "status": {}})
        self.create("configmaps", f"{JOB}-job", {"data": {"job.json": json.dumps(spec)}})
        self.pod(documents.lifecycle_pod())

    def write(self, state: State, **more: Any) -> None:
        """The lifecycle writes its status; `more` is laid over status.json."""
        document = {**json.loads(status.dump(self.spec, state, {}).partition("\n")[0]), **more}
        self.change("configmaps", f"{JOB}-status", {"data": {"status.json": json.dumps(document)}})

    def install(self, job: str, release: str = "") -> None:
        """One more job in the namespace, as far as lists of jobs show it."""
        notes = {"tensorflow-job/run-id": RUN, "tensorflow-job/controller": "x"}
        labels = {**LABELS, **_instance(release or job)}
        self.create("configmaps", f"{job}-status", {}, annotations=notes, labels=labels)
        self.create("configmaps", f"{job}-job", {"data": {"job.json": json.dumps({**self.spec, "name": job})}})

    def pod(self, document: Document) -> str:
        """A pod as documents.py makes it, in place of the one that was there before; returns its uid."""
        name, labels = document["metadata"]["name"], document["metadata"]["labels"]
        if ("pods", name) in self.objects:
            self.remove("pods", name)
        made = self.create("pods", name, document, labels={**labels, "tensorflow-job/job": JOB})
        return str(made["metadata"]["uid"])

    def start(self, *tasks: str) -> None:
        """These tasks' pods run."""
        for task in tasks:
            self.pod(documents.pod(task))

    def restart(self, task: str, code: int) -> None:
        """The container of a task has ended, and the next one runs."""
        with self.lock:
            pod = self.get("pods", f"{JOB}-{task}")
            container = pod["status"]["containerStatuses"][0]
            container["lastState"] = documents.exited(code)
            container["restartCount"] += 1
            self.store("MODIFIED", "pods", pod)

    def remove(self, resource: str, name: str) -> None:
        """An object is gone."""
        with self.lock:
            self.store("DELETED", resource, self.get(resource, name))

    def uninstall(self) -> None:
        """`helm uninstall`."""
        for resource, name in list(self.objects):
            self.remove(resource, name)

    def say(self, task: str, *lines: str) -> None:
        """The running container of a task prints; the time is that of the line's place in the log, a second each."""
        with self.lock:
            pod = self.get("pods", f"{CONTROLLER}-x" if task == "lifecycle" else f"{JOB}-{task}")
            printed = self.logs.setdefault(_container(pod), [])
            before = sum(len(others) for others in self.logs.values())
            printed += [f"{documents.time(documents.NOW + before + n)} {line}\n" for n, line in enumerate(lines)]
            self.lock.notify_all()

    def forbid(self, *requests: str) -> None:
        """Requests that are refused from now on, as `list pods`."""
        self.refuse = lambda verb, resource, _name: 403 if f"{verb.lower()} {resource}" in requests else None


class Api(Handler):
    """What the fake API does not serve by itself: other namespaces, objects of the whole cluster, and logs."""

    def _answer(self, method: str) -> None:
        kube = self.server.cluster
        assert isinstance(kube, Kube)
        url = urlsplit(self.path)
        if kube.down:
            self.close_connection = True
        elif url.path == "/kubectl":
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(200, json.dumps(kube.feed(body["words"], body["items"])))
        elif url.path == "/apis":
            versions = [part.split("/") for part in kube.groups]
            self._send(200, json.dumps({"groups": [{"name": g, "versions": [{"version": v}]} for g, v in versions]}))
        elif url.path == "/version":
            self._send(200, json.dumps({"gitVersion": "v1.33.1"}))
        elif "/namespaces/" in url.path and f"/namespaces/{NAMESPACE}" not in url.path:
            plural, *name = url.path.partition("/namespaces/")[2].split("/")[1:] or ["namespaces", "it"]
            answer: Document = {"message": f'{plural} "{name[0]}" not found'} if name else {"items": []}
            self._send(404 if name else 200, json.dumps(answer))
        elif url.path == f"/api/v1/namespaces/{NAMESPACE}":
            forbidden = kube.refuse("GET", "namespaces", NAMESPACE)
            self._send(forbidden or 200, json.dumps({"kind": "Namespace", "message": "refused by the test"}))
        elif url.path.endswith("/log"):
            self._log(kube, url.path.split("/")[-2], {key: values[0] for key, values in parse_qs(url.query).items()})
        else:
            if "/namespaces/" not in url.path:
                parts = self.path.split("/")
                version = 4 if parts[1] == "apis" else 3
                self.path = "/".join([*parts[:version], "namespaces", NAMESPACE, *parts[version:]])
            super()._answer(method)

    def _watch(self, resource: str, query: dict[str, str]) -> None:
        super()._watch(resource, {"timeoutSeconds": str(int(PATIENCE)), **query})

    def _log(self, kube: Kube, name: str, query: Mapping[str, str]) -> None:
        """The log of the container that runs, or of the one before; followed until the container is no more."""
        if kube.refuse("GET", "pods/log", name):
            self._send(403, json.dumps({"message": "refused by the test"}))
            return
        with kube.lock:
            try:
                uid, number = _container(kube.get("pods", name))
            except RefusedError as error:
                self._send(404, json.dumps({"message": str(error)}))
                return
            cuts = kube.cuts
        key = uid, number - (query.get("previous") == "true")
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        self._copy(kube, name, key, query, cuts)

    def _copy(self, kube: Kube, name: str, key: tuple[str, int], query: Mapping[str, str], cuts: int) -> None:
        kept = [line for line in kube.logs.get(key, []) if line.split(" ")[0] >= query.get("sinceTime", "")[:19]]
        kept = kept[-int(query["tailLines"]) :] if "tailLines" in query else kept
        sent = len(kube.logs.get(key, []))
        bare = query.get("timestamps") != "true"
        while True:
            for line in kept:
                self.wfile.write((line.partition(" ")[2] if bare else line).encode())
            self.wfile.flush()
            with kube.lock:
                if kube.cuts != cuts:
                    return
                kept = kube.logs.get(key, [])[sent:]
                sent += len(kept)
                if kept:
                    continue
                pod = kube.objects.get(("pods", name))
                if query.get("follow") != "true" or pod is None or _container(pod) != key:
                    return
                kube.lock.wait(1.0)


def _container(pod: Document) -> tuple[str, int]:
    statuses = pod["status"].get("containerStatuses") or [{}]
    return pod["metadata"]["uid"], statuses[0].get("restartCount", 0)


def _instance(release: str) -> dict[str, str]:
    return {"app.kubernetes.io/instance": release}


class Program:
    """A `tfconfig` in a process of its own, watched from outside."""

    def __init__(self, *words: str) -> None:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tfconfig", *words], cwd=ROOT, env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # As in a terminal: what a shell starts in the background ignores Ctrl-C, and so do all its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )  # fmt: skip
        self._changed = threading.Condition()
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._open = 2
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in self._lines]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        with getattr(self._process, name) as stream:
            for line in stream:
                with self._changed:
                    self._lines[name].append(line)
                    self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    @property
    def out(self) -> str:
        """What it has printed so far."""
        with self._changed:
            return "".join(self._lines["stdout"])

    @property
    def err(self) -> str:
        """The same of standard error."""
        with self._changed:
            return "".join(self._lines["stderr"])

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait for something of its output."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or not self._open, PATIENCE)
            assert condition(), f"this did not come:\n{self.out}\n{self.err}"

    def ends(self) -> int:
        """Its exit status."""
        code = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()
        return code

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """It does not outlive its test."""
        self._process.kill()
        self.ends()


@contextmanager
def kube_behind_kubectl(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kube]:
    """A cluster with one job, and the `kubectl` that leads to it on PATH."""
    kube = Kube()
    server = Server(kube)
    server.RequestHandlerClass = Api
    shim = folder / "bin" / "kubectl"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {Path(kubectl_shim.__file__)} {server.url} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")
    try:
        yield kube
    finally:
        server.stop()
        kube.stop()
