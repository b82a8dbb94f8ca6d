"""What a job asks of a cluster: pods with their resources, claims, ports, objects and permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfconfig.cluster.rights import permissions
from tfconfig.tensorflow_job.task import names
from tfconfig.values import job_spec
from tfconfig.values.extra_objects import extra_objects
from tfconfig.values.load import Values
from tfconfig.values.pod_amounts import pod_amounts, summed, times
from tfconfig.values.role_settings import data_volumes, setting

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec


def plan(values: Values, release: str) -> dict[str, Any]:
    """What a job asks of a cluster, in the form of docs/schemas/plan.schema.json but with Quantity objects.

    The values must be valid.
    """
    data = values.data
    job = job_spec.job(data, values.job_release(release), values.chart.strategies)
    suspended = bool(data.get("suspend"))
    pods: dict[str, dict[str, Any]] = {
        role: {
            "count": count,
            "runs": "server" if role in job["servers"] else "program",
            "requests": pod_amounts(_containers(data, role), _init_containers(data, role), "requests"),
            "limits": pod_amounts(_containers(data, role), _init_containers(data, role), "limits"),
        }
        for role, count in job["replicas"].items()
    }
    for name in ("lifecycle", *(["tensorboard"] if data["tensorboard"].get("enabled") else [])):
        amounts = {kind: pod_amounts([data[name]], [], kind) for kind in ("requests", "limits")}
        pods[name] = {"count": 1, "runs": name, **amounts}
    counted = [pod for name, pod in pods.items() if name not in job["replicas"] or not suspended]
    objects, account = _objects(data, job), data["serviceAccount"]
    return {
        "version": 1,
        "name": job["name"],
        "strategy": job["strategy"],
        "suspended": suspended,
        "pods": pods,
        "total": {
            "pods": sum(pod["count"] for pod in counted),
            **{kind: summed(times(pod[kind], pod["count"]) for pod in counted) for kind in ("requests", "limits")},
        },
        "claims": _claims(data, job),
        "ports": _ports(data, job),
        "objects": [{"kind": kind, "name": name} for kind, name in objects],
        "extraObjects": sorted(key for key, item in (data.get("extraObjects") or {}).items() if item),
        "permissions": permissions(
            (kind for kind, _ in objects), extra_objects(data), _account(data, job["name"]), bool(account.get("create"))
        ),
    }


def _containers(data: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    resources = setting(data, role, "resources") or {}
    gpus = job_spec.gpus(data, role)
    if gpus:
        devices = {setting(data, role, "gpuResource"): gpus}
        resources = {kind: {**(resources.get(kind) or {}), **devices} for kind in ("limits", "requests")}
    return [{"resources": resources}, *(setting(data, role, "extraContainers") or [])]


def _init_containers(data: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    return [
        *(setting(data, role, "initContainers") or []),
        *(setting(data, role, "podSpec").get("initContainers") or []),
    ]


def _claims(data: Mapping[str, Any], job: JobSpec) -> list[dict[str, Any]]:
    checkpoint = data["checkpoint"]
    claims: list[dict[str, Any]] = []
    if job["checkpointClaim"]:
        claim = {
            "name": job["checkpointClaim"],
            "usedFor": "checkpoints",
            "created": not checkpoint.get("existingClaim"),
        }
        if claim["created"]:
            storage_class = checkpoint.get("storageClassName")
            claim |= {
                "size": checkpoint["size"],
                "accessModes": checkpoint["accessModes"],
                "storageClassName": "" if storage_class == "-" else storage_class or None,  # null: the default class
                "keep": bool(checkpoint.get("keep")),
            }
        claims.append(claim)
    for name, volume in sorted(data_volumes(data).items()):
        if volume.get("existingClaim"):
            claims.append({"name": volume["existingClaim"], "usedFor": f"data.{name}", "created": False})
    return claims


def _ports(data: Mapping[str, Any], job: JobSpec) -> list[dict[str, Any]]:
    """The ports of the job's Services, and whether only the job's own pods may connect to them."""
    ports = [(job["port"], job["service"], "job" if data["networkPolicy"].get("enabled") else "anywhere")]
    if data["tensorboard"].get("enabled"):
        ports.append((80, names.tensorboard_name(job["name"]), "anywhere"))
    return [{"port": port, "protocol": "TCP", "service": service, "from": source} for port, service, source in ports]


def _account(data: Mapping[str, Any], name: str) -> str:
    return data["serviceAccount"].get("name") or names.lifecycle_name(name)


def _objects(data: Mapping[str, Any], job: JobSpec) -> list[tuple[str, str]]:
    """(kind, name) of the objects of the chart's templates. `*` is a hash that only Helm knows."""
    name, lifecycle = job["name"], names.lifecycle_name(job["name"])
    files = any(text is not None for text in (data["program"].get("files") or {}).values())
    objects = [
        *(("StatefulSet", names.set_name(name, role)) for role in job["replicas"]),
        ("Job", f"{lifecycle}-*"),
        ("Service", name),
        ("ConfigMap", names.job_config_name(name)),
        ("ConfigMap", names.task_code_name(name)),
        ("ConfigMap", f"{lifecycle}-*"),
        ("ConfigMap", names.status_name(name)),
        *([("ConfigMap", names.program_name(name))] if files else []),
        *(("PersistentVolumeClaim", claim["name"]) for claim in _claims(data, job) if claim["created"]),
        *([("NetworkPolicy", name)] if data["networkPolicy"].get("enabled") else []),
        *([("PodGroup", name)] if (data.get("podGroup") or {}).get("scheduler") else []),
        *([("PodDisruptionBudget", name)] if (data.get("podDisruptionBudget") or {}).get("enabled") else []),
        *_observing(data, name),
    ]
    if data["serviceAccount"].get("create"):
        objects += [("ServiceAccount", _account(data, name)), ("Role", lifecycle), ("RoleBinding", lifecycle)]
    return objects


def _observing(data: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """The objects of TensorBoard and of the metrics."""
    board, metrics, guarded = data["tensorboard"], data["metrics"], data["networkPolicy"].get("enabled")
    board_name = names.tensorboard_name(name)
    objects: list[tuple[str, str]] = []
    if metrics.get("enabled"):
        objects += [("NetworkPolicy", names.lifecycle_name(name))] if guarded else []
        objects += [("PodMonitor", name)] if metrics["podMonitor"].get("enabled") else []
    if board.get("enabled"):
        objects += [("Deployment", board_name), ("Service", board_name)]
        objects += [("NetworkPolicy", board_name)] if guarded else []
        objects += [("Ingress", board_name)] if board["ingress"].get("enabled") else []
    return objects
