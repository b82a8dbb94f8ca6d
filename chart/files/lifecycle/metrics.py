"""The job in the text format of Prometheus, served by the lifecycle pod when `metrics.enabled` is set.

Names and units: https://prometheus.io/docs/practices/naming/. Times are timestamps, not ages, as is custom there:
`time() - tensorflow_job_last_progress_timestamp_seconds` is how long ago the last step was. The lifecycle's pod ends
with the job, and its metrics with it: it stays for one more scrape, so that Prometheus sees the outcome.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..task.contracts import JobSpec, StatusRole
from ..task.job_spec import Task, allowed_failures
from ..task.listener import listen
from ..task.progress import OFTEN
from .state import PHASES, RUNNING, Pod, State
from .training import counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_SECONDS = 2.0  # for the whole request and its answer
MAX_CONNECTIONS = 16

Sample = tuple[dict[str, str], "float | None"]


def render(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> str:
    """All metrics of the job. What is not known has no sample."""
    progress = state.progress
    trained = state.training_succeeded is not None
    started = state.all_ran - state.started if state.all_ran is not None else None
    lines: list[str] = []

    def add(name: str, kind: str, about: str, samples: Iterable[Sample]) -> None:
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            full = f"tensorflow_job_{name}"
            lines.extend((f"# HELP {full} {about}", f"# TYPE {full} {kind}"))
            own = {"tensorflow_job": job["name"]}
            lines.extend(f"{full}{_labels({**own, **labels})} {value!r}" for labels, value in known)

    def gauge(name: str, about: str, value: float | None) -> None:
        add(name, "gauge", about, [({}, value)])

    add("info", "gauge", "What the job is; always 1.", [({"run_id": job["runId"], "strategy": job["strategy"]}, 1)])
    phases: list[Sample] = [({"phase": phase}, int(phase == state.phase)) for phase in PHASES]
    add("phase", "gauge", "1 for the phase that the job is in, 0 for the others.", phases)
    add("failures_total", "counter", "Failures that restart.backoffLimit counts.", [({}, state.failures)])
    add("restarts_total", "counter", "Exits that led to a restart, counted or not.", [({}, state.restarts)])
    gauge("backoff_limit", "Failures tolerated before the job fails.", allowed_failures(job))
    add("tasks", "gauge", "Tasks of a role by state.", _tasks(counts(job, state, pods), trained))
    gauge("start_timestamp_seconds", "Start of the run or of its last resumption.", state.started or None)
    gauge("start_duration_seconds", "From then until all tasks ran for the first time.", started)
    if progress is not None:
        # No step is to come while the evaluator finishes; epochs and checkpoints may be hours apart.
        last = None if trained or progress.source not in OFTEN else progress.time
        gauge("last_progress_timestamp_seconds", "When the program reached its step.", last)
        gauge("step", "The step that the program reports.", progress.step)
        gauge("planned_steps", "The number of steps that the program reports as its total.", progress.total)
        gauge("steps_per_second", "The speed of the program.", progress.rate if state.phase == RUNNING else None)
        gauge("loss", "The loss that the program reported last.", progress.loss)
        metrics: list[Sample] = [({"metric": metric}, value) for metric, value in progress.metrics.items()]
        add("metric", "gauge", "A metric of the program, as it was reported last.", metrics)
    return "\n".join(lines) + "\n"


def _tasks(roles: Mapping[str, StatusRole], trained: bool) -> Iterable[Sample]:
    for role, count in roles.items():
        is_freed = trained and role != "evaluator"
        waiting = 0 if is_freed else max(0, count["replicas"] - count["running"] - count["succeeded"])
        for state, number in (("running", count["running"]), ("succeeded", count["succeeded"]), ("waiting", waiting)):
            yield {"role": role, "state": state}, number


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {key: text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") for key, text in labels.items()}
    return "{" + ",".join(f'{key}="{text}"' for key, text in escaped.items()) + "}"


class Server(ThreadingHTTPServer):
    """Answers GET /metrics. Who is slow keeps nobody waiting: each connection has a thread, and little time.

    Where there are too many, the oldest goes. Raises OSError where the port is not free.
    """

    daemon_threads = True

    def __init__(self, port: int, text: Callable[[], str]) -> None:
        self.text = text
        self._open: list[socket.socket] = []
        self._scrapers: set[str] = set()
        self._due: set[str] = set()  # those who have not scraped since the end
        self._scraped = threading.Condition()
        self._lock = threading.Lock()
        super().__init__(("", port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=listen(port).detach())
        self.socket.setblocking(True)

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait_for_scrape(self, seconds: float) -> bool:
        """Wait until everybody who has scraped before has done so again, or somebody if nobody has; at most so long."""
        with self._scraped:
            self._due = set(self._scrapers) or {""}
            return self._scraped.wait_for(lambda: not self._due, seconds)

    def answered(self, client: str) -> None:
        """Somebody has got the metrics."""
        with self._scraped:
            self._scrapers.add(client)
            self._due -= {client, ""}
            self._scraped.notify_all()

    def stop(self) -> None:
        """Free the port."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        with self._lock:
            self._open.append(request)
            oldest = self._open[0] if len(self._open) > MAX_CONNECTIONS else None
        if oldest:
            _hang_up(oldest)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread of a connection."""
        timer = threading.Timer(REQUEST_SECONDS, _hang_up, [request])
        timer.daemon = True
        timer.start()
        super().process_request_thread(request, client_address)
        timer.cancel()

    def shutdown_request(self, request: Any) -> None:
        """The connection has ended."""
        with self._lock:
            self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may go away in the middle: nothing to report."""


def _hang_up(connection: socket.socket) -> None:
    """End what its thread waits for."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = REQUEST_SECONDS

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
        self.server.answered(self.client_address[0])

    def log_message(self, *_: Any) -> None:
        """The log is about the job."""
