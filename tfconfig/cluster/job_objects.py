"""The objects of a job in a cluster: its status ConfigMap, its job spec, its pods and its lifecycle Job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfconfig.cluster import shapes
from tfconfig.cluster.kubectl import Object
from tfconfig.tensorflow_job.lifecycle.pod_status import task_of
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.names import (
    CONTAINER,
    CONTROLLER_ANNOTATION,
    ROLE_LABEL,
    RUN_ANNOTATION,
    STATUS_KEY,
    status_name,
)

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec, StatusDocument

COMPONENT_LABEL = "app.kubernetes.io/component"
RELEASE_LABEL = "app.kubernetes.io/instance"
TRAINING, LIFECYCLE = "training", "lifecycle"
STATUS_SUFFIX = status_name("")


@dataclass(frozen=True)
class JobObjects:
    """A job as it was read from the cluster; in a list of jobs, its status ConfigMap alone."""

    status: Object
    job_spec: JobSpec | None = None
    pods: Sequence[Object] = ()
    lifecycle_jobs: Sequence[Object] | None = None
    queue_message: str = ""  # why Kueue does not admit the pods

    @property
    def job(self) -> str:
        """Its name."""
        return job_name(self.status)

    @property
    def lifecycle_job(self) -> str:
        """The name of the Kubernetes Job that may act, of several while Helm replaces it."""
        return str(self.status["metadata"].get("annotations", {}).get(CONTROLLER_ANNOTATION, ""))


def is_status(configmap: Object) -> bool:
    """Whether a ConfigMap is the status of a job."""
    metadata = configmap["metadata"]
    return metadata["name"].endswith(STATUS_SUFFIX) and RUN_ANNOTATION in (metadata.get("annotations") or {})


def job_name(status: Object) -> str:
    """The job that a status ConfigMap belongs to."""
    name: str = status["metadata"]["name"]
    return name.removesuffix(STATUS_SUFFIX)


def parse_status(status: Object) -> StatusDocument | None:
    """status.json; None before the lifecycle has written it. Raises ShapeError where it is unreadable."""
    text = status.get("data", {}).get(STATUS_KEY)
    return shapes.status(text) if text else None


def component(pods: Iterable[Object], name: str) -> list[Object]:
    """The pods of a component, TRAINING or LIFECYCLE, oldest first."""
    own = [pod for pod in pods if pod["metadata"].get("labels", {}).get(COMPONENT_LABEL) == name]
    return sorted(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))


def training_pods(job: str, pods: Iterable[Object]) -> dict[Task, Object]:
    """The pod of each task that has one."""
    by_task: dict[Task, Object] = {}
    for pod in component(pods, TRAINING):
        metadata: Mapping[str, Any] = pod["metadata"]
        task = task_of(job, metadata["name"], metadata["labels"].get(ROLE_LABEL, ""))
        if task:
            by_task[task] = pod
    return by_task


def container_status(pod: Object) -> Object:
    """The status of a training pod's main container; empty before there is one."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return next((status for status in statuses if status["name"] == CONTAINER), {})
