"""The layout of a job, job.json, made from values as the chart makes it for the ConfigMap <fullname>-job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLES = ("chief", "worker", "ps", "evaluator")
PORT = 2222

# A role's own setting is laid over the one at the top key by key, or takes its place as a whole.
_MERGED = ("image", "env", "nodeSelector", "podLabels", "podAnnotations")
_REPLACED = (
    "envFrom", "python", "gpuResource", "resources", "tolerations", "affinity", "topologySpreadConstraints",
    "priorityClassName", "runtimeClassName", "schedulerName", "podSecurityContext", "securityContext", "initContainers",
    "extraContainers", "extraVolumes", "extraVolumeMounts", "shmSize", "terminationGracePeriodSeconds",
    "unreachableTolerationSeconds",
)  # fmt: skip


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


def settings(data: Mapping[str, Any], role: str) -> dict[str, Any]:
    """What the pods of a role get: the settings at the top of the values under the role's own, and `gpus`."""
    own = data.get(role) or {}
    result: dict[str, Any] = {"gpus": own.get("gpus") or 0}
    for key in _REPLACED:
        result[key] = own[key] if key in own else data.get(key)
    for key in _MERGED:
        both = {**(data.get(key) or {}), **(own.get(key) or {})}
        result[key] = {name: value for name, value in both.items() if value is not None}
    return result


def present(entries: Mapping[str, Any] | None) -> dict[str, Any]:
    """The entries of a map (program.files, data) that no overlay removed with null."""
    return {name: value for name, value in (entries or {}).items() if value is not None}


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
        "run": run,
        "strategy": data["strategy"],
        "replicas": counts,
        "servers": [role for role in counts if role in strategies[data["strategy"]]["server"]],
        "program": {"command": data["program"]["command"], "args": data["program"].get("args") or []},
        "serverImports": data["server"].get("imports") or [],
        "gpus": {role: settings(data, role)["gpus"] for role in counts if settings(data, role)["gpus"]},
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
        "deadlines": {key: deadlines.get(key) for key in ("activeSeconds", "startSeconds", "unstartableSeconds")},
        "cleanup": {key: data["cleanup"][key] for key in ("onSuccess", "onFailure")},
    }
