"""Runs the real lifecycle against the Kubernetes of fake.py."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.lifecycle import lifecycle
from tfconfig.tensorflow_job.lifecycle.kubernetes import Client
from tfconfig.tensorflow_job.lifecycle.status_store import Identity
from tfconfig.tensorflow_job.task.contracts import JobSpec

from .fake import NAMESPACE, PATIENCE_SECONDS, Cluster, Document
from .fake_server import Server

PACE = 0.05  # of the waits of the real loop


def job_spec(run_id: str = "r1", **changes: Any) -> JobSpec:
    """A job.json: chief, two workers, two ps; some of its values changed (`restart={"backoffLimit": 0}`)."""
    return changed(a_job("Custom", chief=1, worker=2, ps=2, name="j", run_id=run_id), **changes)


class KilledError(BaseException):
    """The process is no more."""


class MortalClient(Client):
    """Dies with its process at the n-th write, before it is sent or once it was carried out."""

    def __init__(self, url: str, death: int, after: bool) -> None:
        super().__init__(url, folder="/nowhere", namespace=NAMESPACE, pause=0.01)
        self._death, self._after, self._writes = death, after, 0
        self._counting = threading.Lock()
        self.dead = False

    def _call(self, method: str, *request: Any, **options: Any) -> bytes:
        with self._counting:
            if self.dead:
                self.closed.set()
                raise KilledError
            self._writes += method != "GET"
            dies = method != "GET" and self._writes == self._death
            self.dead = dies
        if dies:
            if self._after:
                super()._call(method, *request, **options)
            self.close()
            raise KilledError
        return super()._call(method, *request, **options)


class Controller:
    """A lifecycle pod."""

    def __init__(
        self,
        server: Server,
        folder: Path,
        pod: str = "lifecycle-1",
        run_id: str = "",
        death: int = 0,
        after: bool = False,
    ) -> None:
        server.cluster.run()
        job = server.cluster.job
        self.config = folder
        folder.mkdir(exist_ok=True)
        if not (folder / "job.json").exists():
            (folder / "job.json").write_text(json.dumps(job))
        self._connection = server.url, death, after
        self.client = MortalClient(*self._connection)
        self._clients = 0
        self._out = io.StringIO()
        name = server.cluster.job.get("_controller", "j-lifecycle-1")
        self._folder, self._identity = str(folder), Identity(run_id or job["runId"], name, pod)
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(KilledError):
            self.code = lifecycle.run(self._connect, self._folder, self._identity, self._out, PACE)

    def _connect(self) -> MortalClient:
        """A client for each attempt; none for a process that is no more."""
        if self.client.dead:
            raise KilledError
        self._clients += 1
        if self._clients > 1:
            self.client = MortalClient(*self._connection)
        return self.client

    @property
    def log(self) -> str:
        """What it printed."""
        return self._out.getvalue()

    def ends(self, seconds: float = PATIENCE_SECONDS) -> int | None:
        """Its exit status; None when it died."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"still running after {seconds} s:\n{self.log}"
        return self.code


@contextmanager
def kubernetes(job: Document) -> Iterator[tuple[Cluster, Server]]:
    """A cluster in which a job was just installed."""
    cluster = Cluster(job)
    server = Server(cluster)
    try:
        yield cluster, server
    finally:
        server.stop()
        cluster.stop()


def pod_names(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.pods()}


def backoff_limit(cluster: Cluster) -> int:
    limit: int = cluster.get("jobs", "j-lifecycle-1")["spec"]["backoffLimit"]
    return limit
