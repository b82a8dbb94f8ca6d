"""A job that is watched: its objects are always at hand, and every change wakes who waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfconfig.cluster import jobs
from tfconfig.cluster.errors import ClusterError, NotFoundError
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_view import JobView, view
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.reflector import Reflector, Store, Wakeup
from tfconfig.tensorflow_job.task.names import JOB_LABEL, RUN_ANNOTATION, status_name

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec


@dataclass
class JobWatch:
    """The objects of a job, kept up to date."""

    kubectl: Kubectl
    job: str
    wakeup: Wakeup
    status: Store
    pods: Store
    lifecycle_jobs: Store
    _run_id: str = ""
    _job_spec: JobSpec | None = None

    def objects(self) -> JobObjects:
        """The objects now. Raises NotFoundError once the job was uninstalled."""
        status = self.status.objects.get(status_name(self.job))
        if status is None:
            raise NotFoundError(f"job {self.job} does not exist any more: it was uninstalled")
        run_id = status["metadata"].get("annotations", {}).get(RUN_ANNOTATION, "")
        pods, lifecycle_jobs = list(self.pods.objects.values()), list(self.lifecycle_jobs.objects.values())
        return JobObjects(status, self._spec(run_id), pods, lifecycle_jobs)

    def view(self) -> JobView:
        """The job now."""
        return view(self.objects(), time.time())

    @property
    def error(self) -> ClusterError | None:
        """Why the objects may be out of date; None while they are not."""
        return self.status.error or self.pods.error or self.lifecycle_jobs.error

    def _spec(self, run_id: str) -> JobSpec:
        """job.json, read again for a new run; if that fails, the next time again."""
        if self._job_spec is None:
            self._job_spec, self._run_id = jobs.job_spec(self.kubectl, self.job), run_id
        elif run_id != self._run_id:
            with suppress(ClusterError):
                self._job_spec, self._run_id = jobs.job_spec(self.kubectl, self.job), run_id
        return self._job_spec


@contextmanager
def watch(kubectl: Kubectl, job: str, pod_selector: str = "") -> Iterator[JobWatch]:
    """Watch a job; `pod_selector` limits its pods by one more label selector."""
    wakeup = Wakeup()
    selector = f"{JOB_LABEL}={job}"
    queries = {
        "configmaps": {"fieldSelector": f"metadata.name={status_name(job)}"},
        "pods": {"labelSelector": f"{selector},{pod_selector}" if pod_selector else selector},
        "jobs": {"labelSelector": selector},
    }

    def reflect(resource: str) -> Store:
        reflector = Reflector(kubectl, resource, wakeup, **queries[resource])
        closing.callback(reflector.close)
        return reflector.store

    with ExitStack() as closing:
        with ThreadPoolExecutor(len(queries)) as pool:
            status, pods, lifecycle_jobs = pool.map(reflect, queries)
        yield JobWatch(kubectl, job, wakeup, status, pods, lifecycle_jobs)
