"""Serves the Kubernetes of fake.py over HTTP, as an API server does: objects, lists, watches, logs."""

from __future__ import annotations

import json
import socket
import threading
import time
from bisect import bisect
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .fake import NAMESPACE, Cluster, Document, RefusedError


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

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The cluster's time, in each answer."""
        return super().date_time_string((timestamp or time.time()) + self.server.cluster.ahead)

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
        if sub == "log" and name in cluster.outputs:
            lines = "".join(cluster.outputs[name].splitlines(keepends=True)[-int(query["tailLines"]) :])
            return lines[: int(query.get("limitBytes", len(lines)))]  # as the kubelet does it: from the front
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
        items = [
            cluster.objects[resource, name]
            for name in names
            if name > start and _selected(cluster.objects[resource, name], query)
        ]
        more = f"{items[limit - 1]['metadata']['name']} {cluster.version}" if len(items) > limit else ""
        metadata = {"resourceVersion": str(cluster.version), "continue": more}
        return json.dumps({"metadata": metadata, "items": items[:limit]})

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
        if cluster.watch_error:
            status = {"kind": "Status", "code": cluster.watch_error, "message": f"WATCH {resource} ends at once"}
            self._chunk(json.dumps({"type": "ERROR", "object": status}))
        deadline = time.monotonic() + (0 if cluster.watch_error else int(query["timeoutSeconds"]))
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
                self._chunk(json.dumps(line))
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, line: str) -> None:
        text = line.encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

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
        field: Any = document
        for step in path.split("."):
            field = field.get(step, {})
        if field != value:
            return False
    return True
