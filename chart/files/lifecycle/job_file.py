"""job.json of the lifecycle's pod, which the kubelet brings up to a minute late."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

from .log import Log

if TYPE_CHECKING:
    from ..task.contracts import JobSpec

STALE_SECONDS = 300.0  # for the kubelet to bring our job.json
POLL_SECONDS = 1.0


class StaleJobError(Exception):
    """job.json is still that of another run."""


class JobFile:
    """The job.json in this folder, as far as it is that of this run."""

    def __init__(self, folder: str, run_id: str) -> None:
        self._path, self._run_id = os.path.join(folder, "job.json"), run_id
        self._modified = 0

    def job_name(self) -> str:
        """The job's name, whose runs all share it."""
        return self._read()["name"]

    def wait(self, log: Log, closed: threading.Event, pace: float) -> JobSpec:
        """The job, once the file is that of this run. Raises StaleJobError when it does not come."""
        deadline = time.monotonic() + STALE_SECONDS * pace
        while True:
            job = self._read()
            if job["runId"] == self._run_id:
                return job
            if time.monotonic() > deadline:
                raise StaleJobError(f"job.json is still that of run {job['runId']}, not {self._run_id}")
            log.write_once(f"job.json is that of run {job['runId']}; waiting for that of run {self._run_id}")
            closed.wait(POLL_SECONDS * pace)

    def changed(self) -> JobSpec | None:
        """The job if the file has changed since it was read, and is still of this run: with other limits, say."""
        if os.stat(self._path).st_mtime_ns == self._modified:
            return None
        job = self._read()
        return job if job["runId"] == self._run_id else None

    def _read(self) -> JobSpec:
        with open(self._path, encoding="utf-8") as file:
            self._modified = os.fstat(file.fileno()).st_mtime_ns
            job: JobSpec = json.load(file)
        return job
