"""The job spec (job.json) that the chart makes of values; its ConfigMap is <fullname>-job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.names import PORT, claim_name
from tfconfig.values.role_settings import asks_for_devices, deferred_texts, program, setting

if TYPE_CHECKING:
    from typing import Literal

    from tfconfig.tensorflow_job.task.contracts import JobSpec, ProgressSources

    SuccessPolicy = Literal["Chief", "Worker0", "AllWorkers"]

ROLES = job_spec.ROLES
MAX_REPLICAS = 100_000  # of the chart's schema


def fullname(data: Mapping[str, Any], release: str) -> str:
    """The name of the job and the start of every object's name."""
    return data.get("fullnameOverride") or release


def replicas(data: Mapping[str, Any], strategies: Mapping[str, Any]) -> dict[str, int]:
    """The number of tasks of each role; where it is null in the values, the strategy decides.

    At most what the chart's schema takes: a list of 2^70 tasks would fill the memory.
    """
    strategy = strategies[data["strategy"]]

    def of(role: str) -> int:
        number = (data.get(role) or {}).get("replicas")
        return min(int(strategy.get(role, 0) if number is None else number), MAX_REPLICAS)

    return {role: of(role) for role in ROLES}


def gpus(data: Mapping[str, Any], role: str) -> int:
    """The number of GPUs of each task of a role."""
    return (data.get(role) or {}).get("gpus") or 0


def gang(data: Mapping[str, Any]) -> bool:
    """Whether Kubernetes' own scheduler is to start all tasks together, or none."""
    return (data.get("podGroup") or {}).get("scheduler") == "Kubernetes"


def success_policy(data: Mapping[str, Any], counts: Mapping[str, int]) -> SuccessPolicy:
    """The tasks whose success is the job's: Chief, Worker0 or AllWorkers."""
    chosen: SuccessPolicy | None = data["completion"].get("successPolicy")
    return chosen or ("Chief" if counts["chief"] > 0 else "Worker0")


def checkpoint_directory(data: Mapping[str, Any], release: str) -> str:
    """The path of the job's folder on the checkpoint volume in the pods; empty without a volume."""
    checkpoint = data["checkpoint"]
    if not checkpoint.get("enabled"):
        return ""
    mount: str = checkpoint["mountPath"].removesuffix("/")
    directory = checkpoint.get("directory") or fullname(data, release)
    return mount if directory == "." else f"{mount}/{directory}"


def checkpoint_claim(data: Mapping[str, Any], release: str) -> str:
    """The claim with the checkpoint volume; empty without a volume."""
    checkpoint = data["checkpoint"]
    if not checkpoint.get("enabled"):
        return ""
    return checkpoint.get("existingClaim") or claim_name(fullname(data, release))


def progress_sources(data: Mapping[str, Any]) -> ProgressSources:
    """Where the job's progress is looked for."""
    progress = data.get("progress") or {}
    sources = progress.get("sources")
    return {
        "sources": ["output", "tensorboard", "checkpoints"] if sources is None else sources,
        "pattern": progress.get("pattern") or "",
    }


def resources(data: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """The resources of a role's training container: those of the values, and its GPUs as limits and requests."""
    given: Mapping[str, Any] = setting(data, role, "resources") or {}
    count = gpus(data, role)
    if not count:
        return given
    devices = {str(setting(data, role, "gpuResource")): count}
    return {**given, **{kind: {**(given.get(kind) or {}), **devices} for kind in ("limits", "requests")}}


def job(data: Mapping[str, Any], release: str, strategies: Mapping[str, Any], run_id: str = "local") -> JobSpec:
    """The job spec of these values, which must be valid (raises KeyError or TypeError otherwise).

    It is that of the chart except for the run id, which the chart computes itself.
    """
    name = fullname(data, release)
    counts = {role: count for role, count in replicas(data, strategies).items() if count}
    restart, deadlines, logs = data["restart"], data["deadlines"], data["logs"]
    common = program({"program": data["program"]}, "")
    return {
        "name": name,
        "service": name,
        "port": PORT,
        "runId": run_id,
        "strategy": data["strategy"],
        "replicas": counts,
        "servers": [role for role in counts if role in strategies[data["strategy"]]["server"]],
        "program": common,
        "programs": {role: own for role in counts if (own := program(data, role)) != common},
        "env": {role: texts for role in counts if (texts := deferred_texts(data, role))},
        "serverImports": data["server"].get("imports") or [],
        "devices": [role for role in counts if asks_for_devices(data, role)],
        "gang": gang(data),
        "gpus": {role: gpus(data, role) for role in counts if gpus(data, role)},
        "checkpointDir": checkpoint_directory(data, release),
        "checkpointClaim": checkpoint_claim(data, release),
        "completion": {
            "successPolicy": success_policy(data, replicas(data, strategies)),
            "evaluatorGraceSeconds": data["completion"].get("evaluatorGraceSeconds") or 0,
        },
        "restart": {
            "policy": restart["policy"],
            "alwaysRoles": restart.get("alwaysRoles") or [],
            "backoffLimit": restart.get("backoffLimit") or 0,
            "repeatLimit": restart.get("repeatLimit"),
            "retryableExitCodes": restart.get("retryableExitCodes"),
            "uncountedExitCodes": restart.get("uncountedExitCodes") or [],
            "nodeLoss": restart["nodeLoss"],
            "nodeLossGraceSeconds": restart.get("nodeLossGraceSeconds") or 0,
        },
        "deadlines": {
            "activeSeconds": deadlines.get("activeSeconds"),
            "startSeconds": deadlines.get("startSeconds"),
            "unstartableSeconds": deadlines.get("unstartableSeconds"),
            "stallSeconds": deadlines.get("stallSeconds"),
            "countQueuedTime": bool(deadlines.get("countQueuedTime")),
        },
        "progress": progress_sources(data),
        "logs": {"maxBytes": logs["maxBytes"], "files": logs["files"]} if logs.get("persist") else None,
        "cleanup": {"onSuccess": data["cleanup"]["onSuccess"], "onFailure": data["cleanup"]["onFailure"]},
    }
