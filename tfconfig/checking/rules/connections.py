"""Rules about the connections between tasks."""

from __future__ import annotations

from collections.abc import Iterator

from tfconfig.checking.rules.registry import JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.tensorflow_job.task.job_spec import LEAST_KEEPALIVE_MS, keepalive_ms

_OPTIONS = "TF_GRPC_DEFAULT_OPTIONS"


@rule("TFC327")
def _pings(job: JobValues) -> Iterator[Diagnostic]:
    if job.strategy == "MultiWorkerMirrored" or sum(job.replicas.values()) < 2:
        return  # measured: not disturbed
    seen: set[Path] = set()
    for role in job.roles:
        options, path = job.setting(role, "env").get(_OPTIONS), job.place(role, "env", _OPTIONS)
        every = keepalive_ms(options) if isinstance(options, str) and path not in seen else 0
        if 0 < every < LEAST_KEEPALIVE_MS:
            seen.add(path)
            message = f"grpc.keepalive_time_ms={every}, and servers close connections that are pinged so often"
            yield job.diagnostic("TFC327", path, message, "remove grpc.keepalive_time_ms; the chart sets 310000")
