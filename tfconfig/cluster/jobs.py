"""The jobs of a cluster: found by name, read with few requests."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from tfconfig.cluster.job_view import STATUS_SUFFIX, Documents, JobView, component, is_status, layout, view
from tfconfig.cluster.kubectl import (
    ClusterError,
    ForbiddenError,
    Kubectl,
    Mirror,
    News,
    NotFoundError,
    Object,
    together,
)
from tfconfig.tensorflow_job.lifecycle import observe

_STATUSES = "app.kubernetes.io/name=tensorflow-job,app.kubernetes.io/component=lifecycle"


def statuses(kubectl: Kubectl, release: str = "", everywhere: bool = False) -> list[Object]:
    """The status ConfigMaps of a namespace, of a release, or of all namespaces, in the order of their names."""
    selector = _STATUSES + (f",app.kubernetes.io/instance={release}" if release else "")
    found = kubectl.items("configmaps", everywhere=everywhere, labelSelector=selector)
    return sorted(filter(is_status, found), key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))


def find(kubectl: Kubectl, release: str) -> list[str]:
    """The names of the jobs of a release (several, if it has the chart under aliases), or of the job of this name.

    Raises NotFoundError, which says what there is instead.
    """
    try:
        if is_status(kubectl.get(kubectl.path("configmaps", release + STATUS_SUFFIX))):
            return [release]
    except NotFoundError:
        pass
    found = [_name(one) for one in statuses(kubectl, release)]
    if not found:
        raise NotFoundError(_nothing(kubectl, release))
    return found


def one(kubectl: Kubectl, release: str) -> str:
    """The name of the only job of a release; a ClusterError where it has several."""
    found = find(kubectl, release)
    if len(found) > 1:
        raise ClusterError(f"release {release} has several jobs; name one of them: {', '.join(found)}")
    return found[0]


def _name(status: Object) -> str:
    name: str = status["metadata"]["name"]
    return name.removesuffix(STATUS_SUFFIX)


def _nothing(kubectl: Kubectl, release: str) -> str:
    where = f"namespace {kubectl.namespace}"
    try:
        kubectl.get(f"/api/v1/{where.replace(' ', 's/')}")
    except NotFoundError:
        return f"there is no {where}; give the one of the job with --namespace"
    except ForbiddenError:
        pass  # most users may not look at namespaces
    there = [_name(status) for status in statuses(kubectl)]
    if not there:
        return f"there is no job {release} in {where}, and no other one; install it first, or give another --namespace"
    close = difflib.get_close_matches(release, there, 3) or there[:5]
    return (
        f"there is no job {release} in {where}; it is not installed yet, or was uninstalled. "
        f"There {'is' if len(close) == 1 else 'are'} {', '.join(close)}"
    )


def snapshot(kubectl: Kubectl, job: str) -> Documents:
    """All documents of a job as they are now. Raises NotFoundError where it is gone."""
    selector = f"{observe.JOB_LABEL}={job}"
    status, config, pods, kubernetes_jobs = together(
        lambda: [kubectl.get(kubectl.path("configmaps", job + STATUS_SUFFIX))],
        lambda: [_layout(kubectl, job)],
        lambda: kubectl.items("pods", labelSelector=selector),
        lambda: kubectl.items("jobs", labelSelector=selector),
    )
    return Documents(status[0], config[0], pods, kubernetes_jobs)


def _layout(kubectl: Kubectl, job: str) -> Object:
    return layout(kubectl.get(kubectl.path("configmaps", f"{job}-job")))


@dataclass
class Live:
    """A job that is watched. `news` tells of every change."""

    kubectl: Kubectl
    job: str
    news: News
    status: Mirror
    pods: Mirror
    jobs: Mirror
    _run: str = ""
    _layout: Object | None = None

    def documents(self) -> Documents:
        """What there is now. Raises NotFoundError once the job was uninstalled."""
        status = self.status.objects.get(self.job + STATUS_SUFFIX)
        if status is None:
            raise NotFoundError(f"job {self.job} is not there any more: it was uninstalled")
        run = status["metadata"]["annotations"].get(observe.RUN, "")
        if self._layout is None:
            self._layout, self._run = _layout(self.kubectl, self.job), run
        elif run != self._run:
            with suppress(ClusterError):  # asked again next time
                self._layout, self._run = _layout(self.kubectl, self.job), run
        pods, kubernetes_jobs = list(self.pods.objects.values()), list(self.jobs.objects.values())
        return Documents(status, self._layout, pods, kubernetes_jobs)

    def view(self) -> JobView:
        """The same as a view."""
        return view(self.documents(), time.time())

    @property
    def trouble(self) -> ClusterError | None:
        """Why what is known may be out of date."""
        return self.status.trouble or self.pods.trouble or self.jobs.trouble


@contextmanager
def watching(kubectl: Kubectl, job: str, pods: str = "") -> Iterator[Live]:
    """Watch a job; `pods` narrows down the pods by one more label selector."""
    news = News()
    selector = f"{observe.JOB_LABEL}={job}"
    mirror = partial(Mirror, kubectl, news=news)
    status, pod_mirror, jobs = together(
        lambda: mirror("configmaps", fieldSelector=f"metadata.name={job}{STATUS_SUFFIX}"),
        lambda: mirror("pods", labelSelector=f"{selector},{pods}" if pods else selector),
        lambda: mirror("jobs", labelSelector=selector),
    )
    try:
        yield Live(kubectl, job, news, status, pod_mirror, jobs)
    finally:
        for one in (status, pod_mirror, jobs):
            one.close()


def lifecycle_log(kubectl: Kubectl, documents: Documents) -> str:
    """The log of the lifecycle's newest pod; empty where there is none, or it may not be read."""
    pods = component(documents.pods, "lifecycle")
    if not pods:
        return ""
    try:
        return kubectl.text(kubectl.path("pods", pods[-1]["metadata"]["name"], "log"))
    except ClusterError:
        return ""
