"""The jobs of a cluster: found by name, read with few requests."""

from __future__ import annotations

import difflib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tfconfig.cluster import shapes
from tfconfig.cluster.errors import ClusterError, ForbiddenError, NotFoundError
from tfconfig.cluster.job_objects import (
    COMPONENT_LABEL,
    LIFECYCLE,
    RELEASE_LABEL,
    JobObjects,
    component,
    is_status,
    job_name,
    parse_status,
)
from tfconfig.cluster.kubectl import Kubectl, Object
from tfconfig.cluster.queues import queue_message
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError
from tfconfig.tensorflow_job.task.names import JOB_LABEL, job_config_name, status_name
from tfconfig.terminal import visible

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec, StatusDocument

MAX_NAMES = 5  # of jobs, where none is like the one that was asked for
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_STATUSES = f"app.kubernetes.io/name=tensorflow-job,{COMPONENT_LABEL}={LIFECYCLE}"


def statuses(kubectl: Kubectl, release: str = "", all_namespaces: bool = False, labels: str = "") -> list[Object]:
    """The status ConfigMaps of a namespace, a release or all namespaces, by name; `labels` selects as for kubectl."""
    selector = ",".join(filter(None, (_STATUSES, release and f"{RELEASE_LABEL}={release}", labels)))
    configmaps = kubectl.items("configmaps", all_namespaces=all_namespaces, labelSelector=selector)
    matching = filter(is_status, configmaps)
    return sorted(matching, key=lambda item: (item["metadata"].get("namespace", ""), item["metadata"]["name"]))


def find(kubectl: Kubectl, release: str) -> list[str]:
    """The names of the jobs of a release (several, if it has the chart under aliases), or of the job of this name.

    Raises NotFoundError, which names similar jobs.
    """
    if not _NAME.fullmatch(release):  # "" would be any job, and of a path the API server would say nothing useful
        raise NotFoundError(f"{visible(repr(release))} is no name of a job; tfconfig status lists the jobs")
    try:
        if is_status(kubectl.item("configmaps", status_name(release))):
            return [release]
    except NotFoundError:
        pass
    names = [job_name(status) for status in statuses(kubectl, release)]
    if not names:
        raise NotFoundError(_not_found(kubectl, release))
    return names


def find_one(kubectl: Kubectl, release: str) -> str:
    """The name of the only job of a release; raises ClusterError where it has several."""
    names = find(kubectl, release)
    if len(names) > 1:
        raise ClusterError(f"release {release} has several jobs; name one of them: {', '.join(names)}")
    return names[0]


def _not_found(kubectl: Kubectl, release: str) -> str:
    namespace = kubectl.namespace
    try:
        kubectl.get(f"/api/v1/namespaces/{namespace}")
    except NotFoundError:
        return f"namespace {namespace} does not exist; name the namespace of the job with --namespace"
    except ForbiddenError:
        pass  # most users have no permission to look at namespaces
    names = [job_name(status) for status in statuses(kubectl)]
    if not names:
        return f"no job {release} in namespace {namespace}, nor any other; install it, or choose another --namespace"
    similar = difflib.get_close_matches(release, names, 3)
    shown = similar or names[:MAX_NAMES]
    more = "" if similar or len(names) == len(shown) else f" and {len(names) - len(shown)} more, see tfconfig status"
    return (
        f"no job {release} in namespace {namespace}: not installed yet, or uninstalled. "
        f"The namespace has {', '.join(shown)}{more}"
    )


def snapshot(kubectl: Kubectl, job: str) -> JobObjects:
    """All objects of a job as they are now. Raises NotFoundError where it does not exist."""
    selector = f"{JOB_LABEL}={job}"
    with ThreadPoolExecutor(4) as pool:  # a login plugin may take a second for each request
        status = pool.submit(kubectl.item, "configmaps", status_name(job))
        spec = pool.submit(job_spec, kubectl, job)
        pods = pool.submit(kubectl.items, "pods", labelSelector=selector)
        lifecycle_jobs = pool.submit(kubectl.items, "jobs", labelSelector=selector)
        queued = queue_message(kubectl, pods.result())
        return JobObjects(status.result(), spec.result(), pods.result(), lifecycle_jobs.result(), queued)


def read_status(kubectl: Kubectl, job: str) -> StatusDocument | None:
    """status.json; None before there is one. Raises ClusterError, also where it is unreadable."""
    try:
        return parse_status(kubectl.item("configmaps", status_name(job)))
    except ShapeError as error:
        raise ClusterError(
            f"status.json of job {job} is unreadable ({visible(str(error))}): "
            "something else than the lifecycle wrote it"
        ) from None


def job_spec(kubectl: Kubectl, job: str) -> JobSpec:
    """job.json. Raises ClusterError, also where it is unreadable."""
    name = job_config_name(job)
    try:
        return shapes.job_spec(kubectl.item("configmaps", name).get("data", {}).get("job.json", ""))
    except ShapeError as error:
        raise ClusterError(
            f"job.json in ConfigMap {name} is unreadable ({visible(str(error))}); restore it with helm upgrade"
        ) from None


def lifecycle_log(kubectl: Kubectl, objects: JobObjects, **query: str) -> str:
    """The log of the lifecycle's newest pod; empty where there is none, or it cannot be read."""
    pods = component(objects.pods, LIFECYCLE)
    if not pods:
        return ""
    try:
        return kubectl.text(kubectl.path("pods", pods[-1]["metadata"]["name"], "log"), **query)
    except ClusterError:
        return ""
