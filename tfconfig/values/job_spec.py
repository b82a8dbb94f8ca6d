"""The layout of a job, job.json, made from values as the chart makes it for the ConfigMap <fullname>-job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfconfig.tensorflow_job.task import job_spec

ROLES = job_spec.ROLES

PORT = 2222
_DEADLINES = ("activeSeconds", "startSeconds", "unstartableSeconds", "stallSeconds")


def fullname(data: Mapping[str, Any], release: str) -> str:
    """The name of the job and the start of every object's name."""
    return data.get("fullnameOverride") or release


def replicas(data: Mapping[str, Any], strategies: Mapping[str, Any]) -> dict[str, int]:
    """How many tasks each role has; where the values say null, the strategy decides."""
    strategy = strategies[data["strategy"]]

    def of(role: str) -> int:
        number = (data.get(role) or {}).get("replicas")
        return int(strategy.get(role, 0) if number is None else number)

    return {role: of(role) for role in ROLES}


def gpus(data: Mapping[str, Any], role: str) -> int:
    """How many GPUs each task of a role asks for."""
    return (data.get(role) or {}).get("gpus") or 0


def success_policy(data: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Whose success is the job's: Chief, Worker0 or AllWorkers."""
    return data["completion"].get("successPolicy") or ("Chief" if counts["chief"] > 0 else "Worker0")


def checkpoint_directory(data: Mapping[str, Any], release: str) -> str:
    """The job's folder on the checkpoint volume, as programs see it; empty without one."""
    checkpoint = data["checkpoint"]
    if not checkpoint.get("enabled"):
        return ""
    mount: str = checkpoint["mountPath"]
    return f"{mount.removesuffix('/')}/{checkpoint.get('directory') or fullname(data, release)}"


def job(data: Mapping[str, Any], release: str, strategies: Mapping[str, Any], run: str = "local") -> dict[str, Any]:
    """job.json of these values, which must be valid (raises KeyError or TypeError otherwise).

    The same as the chart's, but for `run`: a cluster's run id is the chart's own.
    """
    name = fullname(data, release)
    counts = {role: count for role, count in replicas(data, strategies).items() if count}
    checkpoint, restart, deadlines = data["checkpoint"], data["restart"], data["deadlines"]
    claim = checkpoint.get("existingClaim") or f"{name}-checkpoints"
    return {
        "name": name,
        "service": name,
        "port": PORT,
        "runId": run,
        "strategy": data["strategy"],
        "replicas": counts,
        "servers": [role for role in counts if role in strategies[data["strategy"]]["server"]],
        "program": {"command": data["program"]["command"], "args": data["program"].get("args") or []},
        "serverImports": data["server"].get("imports") or [],
        "gpus": {role: gpus(data, role) for role in counts if gpus(data, role)},
        "checkpointDir": checkpoint_directory(data, release),
        "checkpointClaim": claim if checkpoint.get("enabled") else "",
        "completion": {
            "successPolicy": success_policy(data, replicas(data, strategies)),
            "evaluatorGraceSeconds": data["completion"].get("evaluatorGraceSeconds") or 0,
        },
        "restart": {
            "policy": restart["policy"],
            "backoffLimit": restart.get("backoffLimit") or 0,
            "retryableExitCodes": restart.get("retryableExitCodes"),
            "uncountedExitCodes": restart.get("uncountedExitCodes") or [],
            "nodeLoss": restart["nodeLoss"],
            "nodeLossGraceSeconds": restart.get("nodeLossGraceSeconds") or 0,
        },
        "deadlines": {key: deadlines.get(key) for key in _DEADLINES},
        "logs": {key: data["logs"][key] for key in ("maxBytes", "files")} if data["logs"].get("persist") else None,
        "cleanup": {key: data["cleanup"][key] for key in ("onSuccess", "onFailure")},
    }
