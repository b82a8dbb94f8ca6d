"""What a job asks of a cluster: pods with their resources, claims, ports, objects and permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfconfig.cluster.rights import permissions
from tfconfig.tensorflow_job.task import names
from tfconfig.values import device_claims, job_spec
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
            **{kind: pod_amounts(_pod(data, role), kind) for kind in ("requests", "limits")},
        }
        for role, count in job["replicas"].items()
    }
    for name in ("lifecycle", *(["tensorboard"] if data["tensorboard"].get("enabled") else [])):
        amounts = {kind: pod_amounts({"containers": [data[name]]}, kind) for kind in ("requests", "limits")}
        pods[name] = {"count": 1, "runs": name, **amounts}
    counted = [pod for name, pod in pods.items() if name not in job["replicas"] or not suspended]
    training = [(_pod(data, role), count) for role, count in job["replicas"].items() if not suspended]
    devices, unknown = device_claims.claimed(data, training)
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
            "claimedDevices": devices,
            "unknownClaims": unknown,
        },
        "claims": _claims(data, job),
        "ports": _ports(data, job),
        "objects": [{"kind": kind, "name": name} for kind, name in objects],
        "extraObjects": sorted(key for key, item in (data.get("extraObjects") or {}).items() if item),
        "permissions": permissions(
            (kind for kind, _ in objects), extra_objects(data), _account(data, job["name"]), bool(account.get("create"))
        ),
    }


def _pod(data: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """What counts of the spec of a role's pods."""
    spec = setting(data, role, "podSpec")
    init = [*(setting(data, role, "initContainers") or []), *(spec.get("initContainers") or [])]
    return {**spec, "containers": _containers(data, role), "initContainers": init}


def _containers(data: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    return [{"resources": job_spec.resources(data, role)}, *(setting(data, role, "extraContainers") or [])]


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
        ("ConfigMap", f"{lifecycle}-*-2"),
        ("ConfigMap", names.status_name(name)),
        *([("ConfigMap", names.program_name(name))] if files else []),
        *(("PersistentVolumeClaim", claim["name"]) for claim in _claims(data, job) if claim["created"]),
        *([("NetworkPolicy", name)] if data["networkPolicy"].get("enabled") else []),
        *_pod_group(data, job),
        *([("PodDisruptionBudget", name)] if (data.get("podDisruptionBudget") or {}).get("enabled") else []),
        *_observing(data, name),
    ]
    if data["serviceAccount"].get("create"):
        objects += [("ServiceAccount", _account(data, name)), ("Role", lifecycle), ("RoleBinding", lifecycle)]
    return objects


def _pod_group(data: Mapping[str, Any], job: JobSpec) -> list[tuple[str, str]]:
    if not (data.get("podGroup") or {}).get("scheduler"):
        return []
    return [("PodGroup", f"{job['name']}-*" if job.get("gang") else job["name"])]  # of each run, or of the job


def _observing(data: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """The objects of TensorBoard and of the metrics."""
    board, metrics, guarded = data["tensorboard"], data["metrics"], data["networkPolicy"].get("enabled")
    board_name = names.tensorboard_name(name)
    objects: list[tuple[str, str]] = []
    if metrics.get("enabled"):
        objects += [("NetworkPolicy", names.lifecycle_name(name))] if guarded else []
        objects += [("PodMonitor", name)] if metrics["podMonitor"].get("enabled") else []
        objects += [("PrometheusRule", name)] if metrics["prometheusRule"].get("enabled") else []
        objects += [("ConfigMap", names.dashboard_name(name))] if metrics["dashboard"].get("enabled") else []
    if board.get("enabled"):
        objects += [("Deployment", board_name), ("Service", board_name)]
        objects += [("NetworkPolicy", board_name)] if guarded else []
        objects += [("Ingress", board_name)] if board["ingress"].get("enabled") else []
    return objects
