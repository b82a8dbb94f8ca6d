"""A small Kubernetes in this process: an API server over HTTP, a StatefulSet controller and a kubelet.

The API part keeps the rules the lifecycle depends on: resourceVersions, lists in pages, watches that resume and send
bookmarks, 410 Gone, merge patches with conflicts, preconditions, connections that break. Containers run nothing: a test
says how they end.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

Document = dict[str, Any]
NAMESPACE = "team-a"
STEP = 0.004  # seconds that everything takes here
PATIENCE_SECONDS = 60.0  # until a test that waits has failed: what is waited for comes late on a busy machine


class RefusedError(Exception):
    """An answer with an HTTP error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def merge(target: Document, patch: Document) -> None:
    """JSON merge patch, RFC 7386."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


class Cluster:
    """Objects, their history, and who acts on them."""

    def __init__(self, job: Document, controller: str = "j-lifecycle-1") -> None:
        self.job = job
        self.ahead = 0.0  # seconds of its clock before that of the controllers
        self.lock = threading.Condition(threading.RLock())
        self.objects: dict[tuple[str, str], Document] = {}
        self.history: list[tuple[int, str, str, Document]] = []
        self.version, self.forgotten, self.uids = 100, 0, 0
        self.requests: Counter[str] = Counter()  # "PATCH configmaps" -> times
        self.deletes: list[str] = []  # uids of pods that were asked to go
        self.graces: dict[str, int | None] = {}
        self.statuses: list[Document] = []  # each status.json that was written
        self.status_times: list[float] = []
        self.scaled: list[tuple[str, int]] = []
        self.watch_error: int | None = None  # what a watch says after its 200
        self.refuse: Callable[[str, str, str], int | None] = lambda _method, _resource, _name: None
        self.scripts: dict[str, list[int]] = {}  # pod -> how its first, second, ... container ends by itself
        self.exits: Counter[str] = Counter()
        self.parked: dict[str, str] = {}  # pod -> the log of its container that runs now
        self.outputs: dict[str, str] = {}  # pod -> all that its container printed, if that matters
        self.stuck: dict[str, Document] = {}  # pod -> the status it never gets beyond
        self.down, self.cuts, self.bookmarked = False, 0, 0
        self.bookmark_seconds = 0.02
        self.stopped = False
        self.quota: str = ""  # why no pods are made
        self._unsettled: set[str] = set()  # StatefulSets to look at
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._kubelet = threading.Thread(target=self._work, daemon=True)
        self.create("jobs", controller, {"spec": {"backoffLimit": 6}})
        self.create(
            "configmaps",
            f"{job['name']}-status",
            {},
            annotations={
                "tensorflow-job/run-id": job["runId"],
                "tensorflow-job/controller": controller,
                "tensorflow-job/suspend": "false",
            },
        )
        for role in job["replicas"]:
            self.create("statefulsets", f"{job['name']}-{role}", {"spec": {}, "status": {"replicas": 0}}, generation=1)

    def now(self, later: float = 0.0) -> str:
        """The time as Kubernetes writes it, but with microseconds."""
        seconds = time.time() + self.ahead + later
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")

    def run(self) -> None:
        """Pods are made and run from now on."""
        if not self._kubelet.is_alive():
            self._kubelet.start()

    # --- objects ---

    def create(self, resource: str, name: str, document: Document, **metadata: Any) -> Document:
        """A new object."""
        with self.lock:
            self.uids += 1
            known = {"name": name, "uid": f"uid-{self.uids}", "namespace": NAMESPACE, "creationTimestamp": self.now()}
            document["metadata"] = {**known, **metadata}
            self.store("ADDED", resource, document)
            return document

    def store(self, event: str, resource: str, document: Document) -> None:
        """Give an object its next version and tell the watches."""
        with self.lock:
            self.version += 1
            document["metadata"]["resourceVersion"] = str(self.version)
            key = resource, document["metadata"]["name"]
            if event == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = document
            self.history.append((self.version, event, resource, json.loads(json.dumps(document))))
            if resource == "statefulsets":
                self._unsettled.add(key[1])
            elif resource == "pods" and event != "MODIFIED":
                self._unsettled.add(key[1].rpartition("-")[0])
            self.lock.notify_all()

    def get(self, resource: str, name: str) -> Document:
        """An object, or 404."""
        with self.lock:
            if (resource, name) not in self.objects:
                raise RefusedError(404, f'{resource} "{name}" not found')
            return self.objects[resource, name]

    def change(self, resource: str, name: str, patch: Document) -> Document:
        """Merge a patch into an object, if its condition holds."""
        with self.lock:
            document = self.get(resource, name)
            wanted = patch.get("metadata", {}).get("resourceVersion")
            if wanted and wanted != document["metadata"]["resourceVersion"]:
                raise RefusedError(409, "the object has been modified; please apply your changes to the latest version")
            before = json.dumps(document)
            merge(document, patch)
            if "generation" in document["metadata"] and "spec" in patch:
                document["metadata"]["generation"] += 1
            if json.dumps(document) != before:
                self.store("MODIFIED", resource, document)
            return document

    def pods(self) -> list[Document]:
        """The pods there are."""
        with self.lock:
            return [document for (resource, _), document in self.objects.items() if resource == "pods"]

    def status(self) -> Document:
        """status.json, and what is stored beside it."""
        with self.lock:
            data = self.get("configmaps", f"{self.job['name']}-status").get("data", {})
            document: Document = json.loads(data.get("status.json", "{}"))
            return {**document, **json.loads(data.get("handled.json", "{}"))}

    def annotate(self, **notes: str) -> None:
        """What Helm does at an upgrade: run, controller or suspend of the status ConfigMap."""
        annotations = {f"tensorflow-job/{key}": value for key, value in notes.items()}
        self.change("configmaps", f"{self.job['name']}-status", {"metadata": {"annotations": annotations}})

    def admit_pods(self) -> None:
        """The quota has room again, and the controllers of the sets look again."""
        self.quota = ""
        for role in self.job["replicas"]:
            self.change("statefulsets", f"{self.job['name']}-{role}", {"metadata": {"labels": {"a": "b"}}})

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a condition on the objects."""
        deadline = time.monotonic() + seconds
        with self.lock:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"not within {seconds} s; status {self.status()}, pods {len(self.pods())}"
                self.lock.wait(min(left, 0.05))

    def phase(self, *phases: str) -> None:
        """Wait for a phase in the status."""
        self.until(lambda: self.status().get("phase") in phases)

    def runs(self, pod: str) -> bool:
        """Whether a container of this pod runs now."""
        containers = self.get("pods", pod)["status"].get("containerStatuses") or [{"state": {}}]
        return "running" in containers[0]["state"]

    # --- trouble ---

    def cut(self) -> None:
        """Break every watch in the middle."""
        with self.lock:
            self.cuts += 1
            self.lock.notify_all()

    def expire(self) -> None:
        """Forget the history: a watch that resumes from before now is told 410 Gone."""
        with self.lock:
            self.version += 1
            self.forgotten = self.version
            self.history.clear()
            self.cut()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """No answers at all."""
        with self.lock:
            self.down = True
            self.cut()
        yield
        self.down = False

    # --- kubelet and StatefulSet controller ---

    def exit(self, pod: str, code: int, message: str = "") -> None:
        """The container of a pod ends, and is started again a step later."""
        with self.lock:
            document = self.objects.get(("pods", pod))
            containers = document["status"].get("containerStatuses", []) if document else []
            if document is None or not containers or "running" not in containers[0]["state"]:
                return
            container = containers[0]
            identity = container["containerID"]
            ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": self.now()}
            container["state"] = {"terminated": {**ended, "message": message, "containerID": identity}}
            self.store("MODIFIED", "pods", document)
            if "deletionTimestamp" not in document["metadata"]:
                self._later(lambda: self._restart(document))

    def delete_pod(self, name: str, uid: str = "", force: bool = False) -> None:
        """Ask a pod to go; with its uid, only that one."""
        with self.lock:
            document = self.get("pods", name)
            if uid and document["metadata"]["uid"] != uid:
                raise RefusedError(409, f"the UID in the precondition ({uid}) does not match")
            if force:
                self.store("DELETED", "pods", document)
            elif "deletionTimestamp" not in document["metadata"]:
                document["metadata"]["deletionTimestamp"] = self.now()
                self.store("MODIFIED", "pods", document)
                self._later(lambda: self.exit(name, 143, "stopped: asked to end"))
                self._later(lambda: self._remove(document), 2)

    def _remove(self, document: Document) -> None:
        if self.objects.get(("pods", document["metadata"]["name"])) is document:
            self.store("DELETED", "pods", document)

    def _start(self, document: Document) -> None:
        name = document["metadata"]["name"]
        if "deletionTimestamp" in document["metadata"]:
            return
        document["spec"]["nodeName"] = "node-1"
        if name in self.stuck:
            document["status"] = self.stuck[name]
        else:
            container = {"name": "tensorflow", "restartCount": 0, "containerID": f"c://{name}-0", "lastState": {}}
            document["status"] = {"containerStatuses": [{**container, "state": {"running": {"startedAt": self.now()}}}]}
            self._script(name)
        self.store("MODIFIED", "pods", document)

    def _restart(self, document: Document) -> None:
        name = document["metadata"]["name"]
        if "deletionTimestamp" in document["metadata"] or self.objects.get(("pods", name)) is not document:
            return
        container = document["status"]["containerStatuses"][0]
        parks = container["state"]["terminated"]["exitCode"] == 0
        container["lastState"], container["state"] = container["state"], {"running": {"startedAt": self.now()}}
        container["restartCount"] += 1
        container["containerID"] = f"c://{name}-{container['restartCount']}"
        self.store("MODIFIED", "pods", document)
        if not parks:
            self._script(name)

    def _script(self, name: str) -> None:
        script = self.scripts.get(name, [])
        if self.exits[name] < len(script):
            code = script[self.exits[name]]
            self.exits[name] += 1
            self._later(lambda: self.exit(name, code), 5)

    def _later(self, call: Callable[[], None], steps: int = 1) -> None:
        self.uids += 1
        heapq.heappush(self._timers, (time.monotonic() + steps * STEP, self.uids, call))

    def _work(self) -> None:
        with self.lock:
            while not self.stopped:
                while self._timers and self._timers[0][0] <= time.monotonic():
                    heapq.heappop(self._timers)[2]()
                while self._unsettled:
                    name = self._unsettled.pop()
                    if ("statefulsets", name) in self.objects:
                        self._control(name, self.objects["statefulsets", name])
                left = self._timers[0][0] - time.monotonic() if self._timers else 1.0
                if left > 0:
                    self.lock.wait(left)

    def _control(self, name: str, document: Document) -> None:
        size = document["spec"].get("replicas", 1)
        role = name.rpartition("-")[2]
        mine = {pod["metadata"]["name"]: pod for pod in self.pods() if pod["metadata"]["name"].startswith(f"{name}-")}
        for index in range(size):
            pod = f"{name}-{index}"
            if pod not in mine and self.quota:
                self.tell(
                    "StatefulSet", name, "FailedCreate", f"create Pod {pod} in StatefulSet {name} failed: {self.quota}"
                )
                break
            if pod not in mine:
                labels = {"tensorflow-job/role": role, "tensorflow-job/job": self.job["name"]}
                labels["tensorflow-job/run-id"] = self.job["runId"]
                new = self.create("pods", pod, {"spec": {}, "status": {"phase": "Pending"}}, labels=labels)
                mine[pod] = new
                self._later(lambda new=new: self._start(new))  # type: ignore[misc]
        surplus = [pod for pod in mine if int(pod.rpartition("-")[2]) >= size]
        for pod in [pod for pod in surplus if "deletionTimestamp" not in mine[pod]["metadata"]][:1]:
            self.delete_pod(pod)  # one at a time: a real one frees 20 a second
            self._later(lambda: self._unsettled.add(name))
        reached = {"replicas": len(mine), "observedGeneration": document["metadata"]["generation"]}
        if document["status"] != reached:
            document["status"] = reached
            self.store("MODIFIED", "statefulsets", document)

    def tell(self, kind: str, name: str, reason: str, message: str) -> None:
        """A Warning Event of an object."""
        event = {"involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message}
        self.create("events", f"{name}.{self.version}", {**event, "type": "Warning", "lastTimestamp": self.now()})

    def stop(self) -> None:
        """End the thread."""
        with self.lock:
            self.stopped = True
            self.lock.notify_all()
        if self._kubelet.is_alive():
            self._kubelet.join()
