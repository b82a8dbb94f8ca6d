"""A small Kubernetes in this process: an API server over HTTP, a StatefulSet controller and a kubelet.

The API part keeps the rules the lifecycle depends on: resourceVersions, lists in pages, watches that resume and send
bookmarks, 410 Gone, merge patches with conflicts, preconditions, connections that break. Containers run nothing: a test
says how they end.
"""

from __future__ import annotations

import heapq
import json
import socket
import threading
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Document = dict[str, Any]
NAMESPACE = "team-a"
STEP = 0.004  # seconds that everything takes here


class RefusedError(Exception):
    """An answer with an HTTP error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def now() -> str:
    """The time as Kubernetes writes it, but with microseconds."""
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


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
        self.refuse: Callable[[str, str, str], int | None] = lambda _method, _resource, _name: None
        self.scripts: dict[str, list[int]] = {}  # pod -> how its first, second, ... container ends by itself
        self.exits: Counter[str] = Counter()
        self.parked: dict[str, str] = {}  # pod -> the log of its container that runs now
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

    def run(self) -> None:
        """Pods are made and run from now on."""
        if not self._kubelet.is_alive():
            self._kubelet.start()

    # --- objects ---

    def create(self, resource: str, name: str, document: Document, **metadata: Any) -> Document:
        """A new object."""
        with self.lock:
            self.uids += 1
            known = {"name": name, "uid": f"uid-{self.uids}", "namespace": NAMESPACE, "creationTimestamp": now()}
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

    def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
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
            ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": now()}
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
                document["metadata"]["deletionTimestamp"] = now()
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
            document["status"] = {"containerStatuses": [{**container, "state": {"running": {"startedAt": now()}}}]}
            self._script(name)
        self.store("MODIFIED", "pods", document)

    def _restart(self, document: Document) -> None:
        name = document["metadata"]["name"]
        if "deletionTimestamp" in document["metadata"] or self.objects.get(("pods", name)) is not document:
            return
        container = document["status"]["containerStatuses"][0]
        parks = container["state"]["terminated"]["exitCode"] == 0
        container["lastState"], container["state"] = container["state"], {"running": {"startedAt": now()}}
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
        self.create("events", f"{name}.{self.version}", {**event, "type": "Warning", "lastTimestamp": now()})

    def stop(self) -> None:
        """End the thread."""
        with self.lock:
            self.stopped = True
            self.lock.notify_all()
        if self._kubelet.is_alive():
            self._kubelet.join()


class Server(ThreadingHTTPServer):
    """The API server of a cluster; plain HTTP on a free port of this machine."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.connections: list[socket.socket] = []
        self.tokens: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=lambda: self.serve_forever(0.01), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close it, and every watch."""
        self.cluster.down = True
        self.cluster.cut()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are none."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def setup(self) -> None:
        """Answer at once."""
        super().setup()
        self.server.connections.append(self.connection)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        """Get, list, watch, log."""
        self._answer("GET")

    def do_PATCH(self) -> None:
        """Merge patch of an object or a scale."""
        self._answer("PATCH")

    def do_POST(self) -> None:
        """Create."""
        self._answer("POST")

    def do_DELETE(self) -> None:
        """Delete a pod."""
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        cluster = self.server.cluster
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        if cluster.down:
            self.close_connection = True
            return
        self.server.tokens += filter(None, [self.headers.get("Authorization")])
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        resource, name, sub = ([*url.path.split(f"/namespaces/{NAMESPACE}/")[1].split("/"), "", ""])[:3]
        verb = "WATCH" if "watch" in query else "LIST" if method == "GET" and not name else method
        try:
            with cluster.lock:
                cluster.requests[f"{verb} {resource}{'/' + sub if sub else ''}"] += 1
                refusal = cluster.refuse(verb, resource, name)
                if refusal:
                    raise RefusedError(refusal, f"{verb} {resource} {name} is refused by the test")
                if verb != "WATCH":
                    answer = self._do(verb, resource, name, sub, query, body)
            if verb == "WATCH":
                self._watch(resource, query)
                return
            self._send(200, answer)
        except RefusedError as refused:
            self._send(refused.status, json.dumps({"kind": "Status", "message": str(refused)}))

    def _do(self, verb: str, resource: str, name: str, sub: str, query: dict[str, str], body: Document) -> str:
        cluster = self.server.cluster
        if sub == "log":
            previous = " before" if query["previous"] == "true" else ""
            if name in cluster.parked and not previous:
                return cluster.parked[name]
            return f"first line of {name}{previous}\nlast line of {name}{previous}\n"
        if verb == "LIST":
            return self._list(resource, query)
        if verb == "GET":
            return json.dumps(cluster.get(resource, name))
        if verb == "POST":
            assert body["metadata"]["namespace"] == NAMESPACE
            metadata = {key: value for key, value in body["metadata"].items() if key != "name"}
            return json.dumps(cluster.create(resource, body["metadata"]["name"], body, **metadata))
        if verb == "DELETE":
            uid = body["preconditions"]["uid"]
            cluster.deletes.append(uid)
            cluster.delete_pod(name, uid, body.get("gracePeriodSeconds") == 0)
            cluster.graces[name] = body.get("gracePeriodSeconds")
            return "{}"
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        if sub == "scale":
            cluster.scaled.append((name, body["spec"]["replicas"]))
        changed = json.dumps(cluster.change(resource, name, body))
        if "data" in body:
            cluster.statuses.append(json.loads(body["data"]["status.json"]))
            cluster.status_times.append(time.monotonic())
        return changed

    def _list(self, resource: str, query: dict[str, str]) -> str:
        cluster = self.server.cluster
        names = sorted(name for kind, name in cluster.objects if kind == resource)
        after, limit = query.get("continue", ""), int(query.get("limit", 0)) or len(names)
        if after and int(after.split(" ")[1]) < cluster.forgotten:
            raise RefusedError(410, "the provided continue parameter is too old")
        start = after.split(" ")[0]
        found = [
            cluster.objects[resource, name]
            for name in names
            if name > start and _selected(cluster.objects[resource, name], query)
        ]
        more = f"{found[limit - 1]['metadata']['name']} {cluster.version}" if len(found) > limit else ""
        metadata = {"resourceVersion": str(cluster.version), "continue": more}
        return json.dumps({"metadata": metadata, "items": found[:limit]})

    def _watch(self, resource: str, query: dict[str, str]) -> None:
        cluster, since = self.server.cluster, int(query["resourceVersion"])
        self.close_connection = True
        with cluster.lock:
            if since < cluster.forgotten:
                raise RefusedError(410, f"too old resource version: {since}")
            cuts = cluster.cuts
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        deadline = time.monotonic() + int(query["timeoutSeconds"])
        while time.monotonic() < deadline:
            with cluster.lock:
                latest = cluster.version
                start = bisect(cluster.history, since, key=lambda item: item[0])
                news = [item for item in cluster.history[start:] if item[2] == resource]
                if not news:
                    cluster.lock.wait(cluster.bookmark_seconds)
                if cluster.cuts != cuts:
                    return  # without the last chunk: the connection just breaks
                lines = [{"type": kind, "object": it} for _, kind, _, it in news if _selected(it, query)]
                if not news:
                    metadata = {"resourceVersion": str(latest)}
                    lines = [{"type": "BOOKMARK", "object": {"metadata": metadata}}]
                    cluster.bookmarked = latest
                since = latest
            for line in lines:
                text = json.dumps(line).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _selected(document: Document, query: dict[str, str]) -> bool:
    labels = document["metadata"].get("labels", {})
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, equals, value = term.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = term.partition("=")
        found: Any = document
        for step in path.split("."):
            found = found.get(step, {})
        if found != value:
            return False
    return True
