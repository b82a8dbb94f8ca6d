"""Jobs to test with, as the chart writes them into job.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.contracts import JobSpec

STRATEGIES: dict[str, dict[str, Any]] = json.loads(
    (Path(job_spec.__file__).resolve().parent.parent / "strategies.json").read_text()
)


def a_job(
    strategy: str = "ParameterServer",
    *,
    chief: int = 0,
    worker: int = 0,
    ps: int = 0,
    evaluator: int = 0,
    name: str = "digits",
    run_id: str = "a",
    success_policy: str | None = None,
    grace: int = 300,
    policy: str = "OnFailure",
    backoff_limit: int = 6,
    repeat_limit: int | None = 3,
    retryable: list[int] | None = None,
    node_loss: str = "Wait",
    node_loss_grace: int = 60,
    active: int | None = None,
    start: int | None = None,
    unstartable: int | None = 300,
    stall: int | None = None,
    on_success: str = "Delete",
    on_failure: str = "Delete",
    gpus: dict[str, int] | None = None,
) -> JobSpec:
    """The job with these replicas and rules; everything else as the chart's defaults have it."""
    sizes = {"chief": chief, "worker": worker, "ps": ps, "evaluator": evaluator}
    replicas = {role: size for role, size in sizes.items() if size}
    job = {
        "name": name,
        "service": name,
        "port": 2222,
        "runId": run_id,
        "strategy": strategy,
        "replicas": replicas,
        "servers": [role for role in job_spec.ROLES if role in replicas and role in STRATEGIES[strategy]["server"]],
        "program": {"command": ["python3", "train.py"], "args": []},
        "serverImports": [],
        "gpus": gpus or {},
        "checkpointDir": f"/checkpoints/{name}",
        "completion": {
            "successPolicy": success_policy or ("Chief" if chief else "Worker0"),
            "evaluatorGraceSeconds": grace,
        },
        "restart": {
            "policy": policy,
            "backoffLimit": backoff_limit,
            "repeatLimit": repeat_limit,
            "retryableExitCodes": retryable,
            "uncountedExitCodes": [42],
            "nodeLoss": node_loss,
            "nodeLossGraceSeconds": node_loss_grace,
        },
        "deadlines": {
            "activeSeconds": active,
            "startSeconds": start,
            "unstartableSeconds": unstartable,
            "stallSeconds": stall,
        },
        "logs": None,
        "cleanup": {"onSuccess": on_success, "onFailure": on_failure},
        "checkpointClaim": f"{name}-checkpoints",
    }
    return cast("JobSpec", job)


def changed(job: JobSpec, **changes: Any) -> JobSpec:
    """A job with other values: maps are merged key by key, but for `replicas`."""
    document = dict(job)
    for key, value in changes.items():
        merges = isinstance(value, dict) and key not in ("replicas", "program")
        document[key] = {**cast("dict[str, Any]", document.get(key) or {}), **value} if merges else value
    return cast("JobSpec", document)
