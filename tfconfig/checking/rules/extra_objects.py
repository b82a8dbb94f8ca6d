"""Rules about the user's own objects: what reaches beyond the job."""

from __future__ import annotations

from collections.abc import Iterator

from tfconfig.checking.rules.registry import JobValues, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.extra_objects import extra_objects


@rule("TFC340", "TFC341", "TFC342")
def _beyond_the_job(job: JobValues) -> Iterator[Diagnostic]:
    for item in extra_objects(job.data):
        path = ("extraObjects", item.name)
        if kinds := item.beyond_the_job:
            message = f"{' and '.join(dict.fromkeys(kinds))}: permissions, or an object of the whole cluster"
            fix = "have an administrator create it once, apart from the job"
            yield job.diagnostic("TFC340", path, message, fix, key=True)
        if namespaces := item.namespaces:
            message = f"an object in the namespace {' and '.join(dict.fromkeys(namespaces))}, not that of the job"
            yield job.diagnostic("TFC341", path, message, "remove metadata.namespace", key=True)
        if item.looks_up:
            message = "lookup reads the cluster with the permissions of whoever installs the job, Secrets included"
            yield job.diagnostic("TFC342", path, message, "name the object instead, as a volume or in env", key=True)
