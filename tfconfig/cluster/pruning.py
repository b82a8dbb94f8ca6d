"""Releases whose jobs ended long ago, removed with the user's helm."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tfconfig.cluster import helm, jobs
from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_view import JobView, view
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.values.chart import NAME

# Helm 3 lists the first two by default. What a killed helm left stays pending, or is uninstalling, for ever.
_STATES = ("--deployed", "--failed", "--pending", "--uninstalling")

Result = Literal["Removed", "WouldRemove", "Skipped", "Failed"]


@dataclass(frozen=True)
class Pruned:
    """What became of a release whose jobs have all ended."""

    release: str
    namespace: str
    jobs: Sequence[JobView]
    result: Result
    message: str = ""

    @property
    def ended(self) -> float:
        """When the last of its jobs ended."""
        return max(job.ended or 0.0 for job in self.jobs)


def candidates(
    all_jobs: Iterable[JobView], chosen: Iterable[JobView], now: float, older_than: float
) -> dict[tuple[str, str], list[JobView]]:
    """Releases by namespace and name, all of whose jobs ended that long ago, if one of them was chosen."""
    wanted = {(job.namespace, job.release) for job in chosen}
    releases: dict[tuple[str, str], list[JobView]] = {}
    for job in all_jobs:
        if (job.namespace, job.release) in wanted:
            releases.setdefault((job.namespace, job.release), []).append(job)
    return {
        key: views
        for key, views in releases.items()
        if all(job.over and job.ended is not None and job.ended <= now - older_than for job in views)
    }


def prune(
    kubectl: Kubectl,
    context: str | None,
    older_than: float,
    labels: str,
    all_namespaces: bool,
    dry_run: bool,
    report: Callable[[str], None],
) -> list[Pruned]:
    """Uninstall every release whose jobs ended that many seconds ago. `report` gets each call of helm.

    What fails for one release is recorded, and the next ones are uninstalled all the same.
    """
    now = time.time()
    every = _views(kubectl, now, all_namespaces)
    chosen = _views(kubectl, now, all_namespaces, labels) if labels else every
    releases, charts, done = candidates(every, chosen, now, older_than), dict[str, Mapping[str, str]](), list[Pruned]()
    for (namespace, release), ended in releases.items():
        result: Result = "Failed"
        try:
            if namespace not in charts:
                charts[namespace] = _charts(_Scope(namespace, context))
            result, message = _remove(release, ended, charts[namespace], _Scope(namespace, context), dry_run, report)
        except (helm.HelmError, ClusterError) as error:
            message = error.message
        done.append(Pruned(release, namespace, ended, result, message))
    return done


def _views(kubectl: Kubectl, now: float, all_namespaces: bool, labels: str = "") -> list[JobView]:
    return [view(JobObjects(status), now) for status in jobs.statuses(kubectl, "", all_namespaces, labels)]


class _Scope(NamedTuple):
    namespace: str
    context: str | None

    @property
    def options(self) -> list[str]:
        """Of every call of helm."""
        return helm.scope(self.namespace, self.context)


def _charts(scope: _Scope) -> Mapping[str, str]:
    """Release -> the name of its chart."""
    releases = helm.document(["list", *scope.options, *_STATES, "--max=0"]) or []
    return {release["name"]: re.sub(r"-\d+\.\d+\.\d+.*$", "", release["chart"]) for release in releases}


def _remove(
    release: str,
    ended: Sequence[JobView],
    charts: Mapping[str, str],
    scope: _Scope,
    dry_run: bool,
    report: Callable[[str], None],
) -> tuple[Result, str]:
    if release not in charts:
        return "Skipped", "helm knows no such release; remove it as it was installed"
    if charts[release] != NAME:
        again = f"helm uninstall {release} -n {scope.namespace}"
        return "Skipped", f"a release of chart {charts[release]}, which may hold more than jobs: {again}"
    if dry_run:
        return "WouldRemove", ""
    if not _is_unchanged(scope, release, ended):
        return "Skipped", "it has changed meanwhile"
    arguments = ["uninstall", release, *scope.options]
    report(f"helm {' '.join(arguments)}")
    helm.call(arguments)
    return "Removed", ""


def _is_unchanged(scope: _Scope, release: str, ended: Sequence[JobView]) -> bool:
    """Whether nobody runs it again: many uninstalls take their time."""
    statuses = jobs.statuses(Kubectl(scope.namespace, scope.context), release)
    now = [view(JobObjects(status), 0.0) for status in statuses]
    return [(job.name, job.run_id, job.over) for job in now] == [(job.name, job.run_id, True) for job in ended]
