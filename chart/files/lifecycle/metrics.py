"""The job in the text format of Prometheus, served by the lifecycle pod when `metrics.enabled` is set.

Names and units: https://prometheus.io/docs/practices/naming/. Times are timestamps, not ages, as is custom there:
`time() - tensorflow_job_last_progress_timestamp_seconds` is how long ago the last step was. The lifecycle's pod ends
with the job, and its metrics with it: a job that has failed is best noticed by its Kubernetes Job (kube_job_failed).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from ..task.job_spec import JobSpec, Task
from .decide import counts
from .state import PHASES, Pod, State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PATIENCE_SECONDS = 2.0

Sample = tuple[dict[str, str], "float | None"]


def render(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> str:
    """All metrics of the job. What is not known has no sample."""
    told = state.progress
    started = state.running - state.started if state.running is not None else None
    lines: list[str] = []

    def tell(name: str, kind: str, about: str, samples: Iterable[Sample]) -> None:
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            full = f"tensorflow_job_{name}"
            lines.extend((f"# HELP {full} {about}", f"# TYPE {full} {kind}"))
            lines.extend(f"{full}{_labels({'job_name': job['name'], **labels})} {value!r}" for labels, value in known)

    def gauge(name: str, about: str, value: float | None) -> None:
        tell(name, "gauge", about, [({}, value)])

    tell("info", "gauge", "What the job is; always 1.", [({"run_id": job["runId"], "strategy": job["strategy"]}, 1)])
    phases: list[Sample] = [({"phase": phase}, int(phase == state.phase)) for phase in PHASES]
    tell("phase", "gauge", "1 for the phase that the job is in, 0 for the others.", phases)
    tell("failures_total", "counter", "Failures that restart.backoffLimit counts.", [({}, state.failures)])
    tell("restarts_total", "counter", "Exits that led to a restart, counted or not.", [({}, state.restarts)])
    gauge("backoff_limit", "Failures to put up with before the job fails.", job["restart"]["backoffLimit"])
    tell("tasks", "gauge", "Tasks of a role by state.", _tasks(counts(job, state, pods)))
    gauge("start_timestamp_seconds", "Start of the run or of its last resumption.", state.started or None)
    gauge("start_duration_seconds", "From then until all tasks ran for the first time.", started)
    if told is not None:
        gauge("last_progress_timestamp_seconds", "When the program came to its step.", told.time)
        gauge("step", "The step that the program is at, by its own account.", told.step)
        gauge("planned_steps", "The steps that the program has to do in all.", told.total)
        gauge("steps_per_second", "How fast the program is.", told.rate)
        gauge("loss", "The loss that the program told last.", told.loss)
    return "\n".join(lines) + "\n"


def _tasks(roles: Mapping[str, Mapping[str, int]]) -> Iterable[Sample]:
    for role, count in roles.items():
        waiting = max(0, count["replicas"] - count["running"] - count["succeeded"])
        for state, number in (("running", count["running"]), ("succeeded", count["succeeded"]), ("waiting", waiting)):
            yield {"role": role, "state": state}, number


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {key: text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") for key, text in labels.items()}
    return "{" + ",".join(f'{key}="{text}"' for key, text in escaped.items()) + "}"


class Server(HTTPServer):
    """Answers GET /metrics one by one: whoever connects makes no threads. Raises OSError without the port."""

    request_queue_size = 16

    def __init__(self, port: int, text: Callable[[], str]) -> None:
        self.text = text
        self.address_family = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET
        try:
            super().__init__(("", port), _Handler)
        except OSError:
            if self.address_family == socket.AF_INET:
                raise
            self.address_family = socket.AF_INET  # a machine without IPv6
            super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        """IPv4 too."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def start(self) -> None:
        """Serve in a thread until the process ends."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks may go away in the middle: that is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE_SECONDS

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        content = self.server.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """The log is about the job."""
