"""The logs of a job's tasks, followed until the job ends: through restarts, new pods and broken connections."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from tfconfig.cluster.errors import ClusterError, ForbiddenError, from_stderr
from tfconfig.cluster.job_objects import container_status, training_pods
from tfconfig.cluster.job_view import JobView
from tfconfig.cluster.job_wait import waiting_line
from tfconfig.cluster.job_watch import JobWatch
from tfconfig.cluster.kubectl import Kubectl, Object
from tfconfig.cluster.log_lines import LinePrinter, is_refusal, parts, split_time
from tfconfig.tensorflow_job.lifecycle.freeing import keeps
from tfconfig.tensorflow_job.lifecycle.state import RUNNING, SUCCEEDED
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.last_output import AGAIN
from tfconfig.tensorflow_job.task.log import OWN

RECONNECT_SECONDS = 1.0
MAX_LINE_BYTES = 64 * 1024
# For streams to end after the job: those of deleted pods end at once, those of kept pods (cleanup Keep) never do.
DELETED_SECONDS, KEPT_SECONDS = 30.0, 3.0


class _TaskStream:
    """The log of one task across its containers and pods, read by one thread at a time.

    A line is printed if it is later than the latest line of the same pod that was printed before.
    """

    def __init__(self, kubectl: Kubectl, name: str, query: Mapping[str, str], printer: LinePrinter) -> None:
        self._kubectl, self._name, self._query, self._printer = kubectl, name, dict(query), printer
        self._pod, self._uid, self._container, self._latest = "", "", -1, ""  # `_container`: its restart count
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # of the next two
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.error: ClusterError | None = None

    @property
    def busy(self) -> bool:
        """Whether a container is being followed."""
        return self._thread is not None and self._thread.is_alive()

    def attach(self, pod: Object) -> None:
        """Follow the pod's container, unless it is being followed, or was followed to its end."""
        status = container_status(pod)
        state, container = status.get("state", {}), status.get("restartCount", 0)
        if self.busy or not ("running" in state or "terminated" in state or status.get("lastState")):
            return
        same_pod = self._uid == pod["metadata"]["uid"]
        if same_pod and self._container == container and "running" not in state:
            return
        # Of a container that ended in between, the last lines may be missing. Whether one did is not known for sure:
        # after a broken connection the pod may be out of date, too. If none did, no line is later than those printed.
        gap = same_pod and (container > self._container or bool(self._latest))
        if not same_pod:
            self._pod, self._uid, self._latest = pod["metadata"]["name"], pod["metadata"]["uid"], ""
        self._container = container
        self._thread = threading.Thread(target=self._read, args=(gap,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the request."""
        with self._lock:
            self._closed = True
            if self._process:
                self._process.kill()

    def join(self) -> None:
        """Wait for the thread, after close()."""
        if self._thread:
            self._thread.join()

    def _read(self, gap: bool) -> None:
        query = dict(self._query)
        for key in ("sinceSeconds", "tailLines"):
            self._query.pop(key, None)  # they are for what there was at the beginning
        if self._latest:
            query["sinceTime"] = self._latest
        if gap:
            self._copy({**query, "previous": "true"})
        self._copy({**query, "follow": "true"})

    def _copy(self, query: Mapping[str, str]) -> None:
        """Print the lines of one request; its error is looked at again when the pod changes."""
        with self._lock:
            if self._closed:
                return
            self._process = self._kubectl.stream(self._kubectl.path("pods", self._pod, "log"), **query)
        before = self._latest
        with self._process as process:
            assert process.stdout
            output = process.stdout
            assert process.stderr
            begins, shown, again, when = True, False, False, ""
            # A program may print for ever without ending a line: a long one is printed in parts.
            for data in parts(lambda: output.readline(MAX_LINE_BYTES)):
                text = data.decode("utf-8", "replace").rstrip("\r\n")
                if begins:
                    when, text = split_time(text)
                    shown = when > before
                    self._latest = max(self._latest, when)
                again = again or (begins and bool(before) and text == OWN + AGAIN)
                if shown and not again and not (begins and is_refusal(text)):
                    self._printer.line(self._name, text, when)
                begins = data.endswith(b"\n")
            stderr = process.stderr.read().decode("utf-8", "replace")
        self.error = from_stderr(stderr, self._kubectl.namespace) if stderr and not self._closed else None


def follow(
    job: JobWatch, tasks: Iterable[Task], query: Mapping[str, str], printer: LinePrinter, report: Callable[[str], None]
) -> JobView | None:
    """Print what the tasks print until the job has ended; None where nobody reads any more.

    `report` gets what the job waits for, while none of these tasks runs.

    Raises ForbiddenError where the user has no permission to read logs, and NotFoundError when the job is uninstalled.
    """
    streams = {task: _TaskStream(job.kubectl, job_spec.name(task), query, printer) for task in tasks}
    deadline: float | None = None
    reported = ""
    try:
        while True:
            view = job.view()
            if printer.broken:
                return None
            pods = training_pods(job.job, job.pods.objects.values())
            for task, stream in streams.items():
                if task in pods:
                    stream.attach(pods[task])
                if isinstance(stream.error, ForbiddenError):
                    raise stream.error
            busy = any(stream.busy for stream in streams.values())
            waits = not (view.over or busy or view.phase == RUNNING)
            if waits and (line := waiting_line(job, view)) != reported:
                reported = line
                report(line)
            if view.over:
                deadline = deadline or time.monotonic() + (KEPT_SECONDS if _keeps_pods(view) else DELETED_SECONDS)
                if time.monotonic() > deadline or not (pods or busy):
                    return view
            job.wakeup.wait(RECONNECT_SECONDS)
    finally:
        for stream in streams.values():
            stream.close()
        for stream in streams.values():
            stream.join()


def _keeps_pods(view: JobView) -> bool:
    return view.job_spec is not None and keeps(view.job_spec, view.phase == SUCCEEDED)
