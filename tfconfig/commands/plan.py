"""`tfconfig plan`: what a job will ask of the cluster, for the one who has to find room for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from tfconfig.commands import options, role
from tfconfig.commands.validate import have_mistakes
from tfconfig.values import job_spec
from tfconfig.values.chart import Chart
from tfconfig.values.load import Values, load
from tfconfig.values.quantity import Quantity, parse
from tfconfig.values.role_settings import data_volumes, setting
from tfconfig.values.set_flags import SetFlags

Amounts = dict[str, Quantity]
# What Helm does with each object of a release; the Secret is its own record of the release.
INSTALLER_VERBS = ("get", "list", "create", "patch", "update", "delete")


def plan(values: Values, release: str) -> dict[str, Any]:
    """What these values, which must be valid, ask of the cluster; quantities are Quantity objects."""
    data = values.data
    job = job_spec.job(data, values.job_release(release), values.chart.strategies)
    suspended = bool(data.get("suspend"))
    pods = {
        name: {
            "tasks": count,
            "runs": "server" if name in job["servers"] else "program",
            "requests": pod_amounts(_containers(data, name), _initial(data, name), "requests"),
            "limits": pod_amounts(_containers(data, name), _initial(data, name), "limits"),
        }
        for name, count in job["replicas"].items()
    }
    for name in ("lifecycle", *(["tensorboard"] if data["tensorboard"].get("enabled") else [])):
        amounts = {kind: pod_amounts([data[name]], [], kind) for kind in ("requests", "limits")}
        pods[name] = {"tasks": 1, "runs": name, **amounts}
    counted = [one for name, one in pods.items() if name not in job["replicas"] or not suspended]
    return {
        "version": 1,
        "name": job["name"],
        "strategy": job["strategy"],
        "suspended": suspended,
        "roles": pods,
        "total": {
            "pods": sum(one["tasks"] for one in counted),
            **{kind: _sum(_times(one[kind], one["tasks"]) for one in counted) for kind in ("requests", "limits")},
        },
        "claims": _claims(data, job),
        "ports": _ports(data, job),
        "objects": _objects(data, job),
        "rights": _rights(data, job),
    }  # fmt: skip


def _ports(data: Mapping[str, Any], job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ports of its Services, and from where they can be reached."""
    guarded = data["networkPolicy"].get("enabled")
    ports = [(job["port"], job["service"], "the job's own pods" if guarded else "everywhere")]
    if data["tensorboard"].get("enabled"):
        ports.append((80, f"{job['name']}-tensorboard", "everywhere"))
    return [{"port": port, "protocol": "TCP", "service": service, "from": who} for port, service, who in ports]


def _containers(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    resources = setting(data, name, "resources") or {}
    gpus = job_spec.gpus(data, name)
    if gpus:
        asked = {setting(data, name, "gpuResource"): gpus}
        resources = {kind: {**(resources.get(kind) or {}), **asked} for kind in ("limits", "requests")}
    return [{"resources": resources}, *(setting(data, name, "extraContainers") or [])]


def _initial(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return setting(data, name, "initContainers") or []


def pod_amounts(containers: Sequence[Any], initial: Sequence[Any], kind: str) -> Amounts:
    """What a pod counts for: its containers together, or an init container and the sidecars before it if that is more.

    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    sidecars: Amounts = {}
    peaks: list[Amounts] = []
    for one in initial:
        if one.get("restartPolicy") == "Always":
            sidecars = _sum([sidecars, _amounts(one, kind)])
            peaks.append(sidecars)
        else:
            peaks.append(_sum([sidecars, _amounts(one, kind)]))
    together = _sum([sidecars, *(_amounts(one, kind) for one in containers)])
    for peak in peaks:
        for name, amount in peak.items():
            if name not in together or amount.nanos > together[name].nanos:
                together[name] = amount
    return together


def _amounts(container: Mapping[str, Any], kind: str) -> Amounts:
    resources = container.get("resources") or {}
    asked = dict(resources.get("limits") or {})
    if kind == "requests":  # without a request, Kubernetes takes the limit
        asked |= resources.get("requests") or {}
    return {name: parse(amount) for name, amount in asked.items() if amount is not None}


def _sum(amounts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for one in amounts:
        for name, amount in one.items():
            total[name] = total.get(name, Quantity()) + amount
    return dict(sorted(total.items()))


def _times(amounts: Amounts, count: int) -> Amounts:
    return {name: amount * count for name, amount in amounts.items()}


def _claims(data: Mapping[str, Any], job: Mapping[str, Any]) -> list[dict[str, Any]]:
    checkpoint = data["checkpoint"]
    claims: list[dict[str, Any]] = []
    if job["checkpointClaim"]:
        claim = {"name": job["checkpointClaim"], "for": "checkpoints", "made": not checkpoint.get("existingClaim")}
        if claim["made"]:
            claim |= {
                "size": checkpoint["size"],
                "accessModes": checkpoint["accessModes"],
                "storageClassName": checkpoint.get("storageClassName") or "",
                "kept": bool(checkpoint.get("keep")),
            }
        claims.append(claim)
    for name, volume in sorted(data_volumes(data).items()):
        if volume.get("existingClaim"):
            claims.append({"name": volume["existingClaim"], "for": f"data.{name}", "made": False})
    return claims


def _objects(data: Mapping[str, Any], job: Mapping[str, Any]) -> list[dict[str, str]]:
    """The objects that Helm makes. A Job's name ends in a hash that only the chart knows."""
    name = job["name"]
    account = data["serviceAccount"].get("name") or f"{name}-lifecycle"
    program = data["program"]
    carried = any(text is not None for text in (program.get("files") or {}).values())
    objects = [
        *(("StatefulSet", f"{name}-{one}") for one in job["replicas"]),
        ("Job", f"{name}-lifecycle-*"),
        ("Service", name),
        *(("ConfigMap", f"{name}-{part}") for part in ("job", "task", "lifecycle", "status")),
        *([("ConfigMap", f"{name}-program")] if carried else []),
        *(("PersistentVolumeClaim", one["name"]) for one in _claims(data, job) if one["made"]),
        *([("NetworkPolicy", name)] if data["networkPolicy"].get("enabled") else []),
        *_observing(data, name),
    ]
    if data["serviceAccount"].get("create"):
        objects += [("ServiceAccount", account), ("Role", f"{name}-lifecycle"), ("RoleBinding", f"{name}-lifecycle")]
    objects += [("extraObjects", key) for key, one in sorted((data.get("extraObjects") or {}).items()) if one]
    return [{"kind": kind, "name": called} for kind, called in objects]


def _observing(data: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """The objects of TensorBoard and of the metrics."""
    board, metrics, guarded = data["tensorboard"], data["metrics"], data["networkPolicy"].get("enabled")
    objects: list[tuple[str, str]] = []
    if metrics.get("enabled"):
        objects += [("NetworkPolicy", f"{name}-lifecycle")] if guarded else []
        objects += [("PodMonitor", name)] if metrics["podMonitor"].get("enabled") else []
    if board.get("enabled"):
        objects += [("Deployment", f"{name}-tensorboard"), ("Service", f"{name}-tensorboard")]
        objects += [("NetworkPolicy", f"{name}-tensorboard")] if guarded else []
        objects += [("Ingress", f"{name}-tensorboard")] if board["ingress"].get("enabled") else []
    return objects


def _rights(data: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    kinds = sorted({one["kind"] for one in _objects(data, job)} - {"extraObjects"} | {"Secret"})
    account = data["serviceAccount"]
    return {
        "installer": {"verbs": list(INSTALLER_VERBS), "kinds": kinds, "grants": bool(account.get("create"))},
        "lifecycle": {
            "serviceAccount": account.get("name") or f"{job['name']}-lifecycle",
            "rules": [{"apiGroup": group, "resources": what, "verbs": verbs} for group, what, verbs in role.RULES],
        },
        "training": [],
    }


@click.command("plan")
@options.values
@options.release
@options.chart
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(files: tuple[str, ...], sets: SetFlags, release: str, chart: Chart | None, alias: str, form: str) -> None:
    """Print what a job will ask of the cluster: pods and their resources, claims, ports, objects, rights."""
    if not (files or any(vars(sets).values())):
        raise click.UsageError("no values given; name a values file: tfconfig plan -f values.yaml")
    values = load(files, sets, chart, alias)
    if have_mistakes(values, release):
        raise click.ClickException("the values have mistakes; correct them first")
    made = plan(values, release)
    click.echo(json.dumps(made, indent=2, default=str) if form == "json" else _text(made))


def _text(made: Mapping[str, Any]) -> str:
    roles, total = made["roles"], made["total"]
    resources = list(dict.fromkeys(["cpu", "memory", *total["requests"], *total["limits"]]))
    rows = [["", "pods", "runs", *resources]]
    rows += [[name, str(one["tasks"]), one["runs"], *_cells(one["requests"], resources)] for name, one in roles.items()]
    rows.append(["total", str(total["pods"]), "", *_cells(total["requests"], resources)])
    rows.append(["limits", "", "", *_cells(total["limits"], resources)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        f"{made['name']}: {made['strategy']}{', suspended: no training pod until suspend is false' * made['suspended']}"
    ]
    lines += ["", "Requests of one pod, and of all together:"]
    lines += [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    silent = [name for name, one in roles.items() if not {"cpu", "memory"} <= set(one["requests"])]
    if silent:
        lines.append(
            f"  No cpu or memory is asked for by {', '.join(silent)}: the scheduler may put them anywhere, and a"
        )
        lines.append("  namespace with a quota refuses them; set resources.requests.")
    lines += ["", "Claims:", *(f"  {_claim(one)}" for one in made["claims"] or [])]
    if not made["claims"]:
        lines.append("  none: checkpoints are off")
    lines += ["", "Ports:"]
    lines += [
        f"  {one['port']}/{one['protocol']} of Service {one['service']}, open to {one['from']}" for one in made["ports"]
    ]
    lines += ["", "Objects:", *_by_kind(made["objects"])]
    return "\n".join([*lines, "", *_rights_text(made["rights"])])


def _cells(amounts: Amounts, resources: Sequence[str]) -> list[str]:
    return [amounts[name].short() if name in amounts else "-" for name in resources]


def _claim(one: Mapping[str, Any]) -> str:
    if not one["made"]:
        return f"{one['name']} for {one['for']}: must exist"
    storage = {"": "the default storage class", "-": "no storage class"}.get(one["storageClassName"])
    kept = "kept on uninstall" if one["kept"] else "removed on uninstall, with its checkpoints"
    return f"{one['name']} for {one['for']}: {one['size']}, {'+'.join(one['accessModes'])}, " + (
        f"{storage or 'storage class ' + one['storageClassName']}, {kept}"
    )


def _by_kind(objects: Iterable[Mapping[str, str]]) -> list[str]:
    names: dict[str, list[str]] = {}
    for one in objects:
        names.setdefault(one["kind"], []).append(one["name"])
    return [f"  {kind}: {', '.join(called)}" for kind, called in names.items()]


def _rights_text(rights: Mapping[str, Any]) -> list[str]:
    installer, lifecycle = rights["installer"], rights["lifecycle"]
    lines = ["Rights:", f"  who installs: {', '.join(installer['verbs'])} of {', '.join(installer['kinds'])}"]
    if installer["grants"]:
        lines.append("    and those of the lifecycle, which only who has them can grant; without: `tfconfig role`")
    lines.append(f"  lifecycle (service account {lifecycle['serviceAccount']}), in the job's namespace:")
    lines += [f"    {', '.join(one['verbs'])} of {', '.join(one['resources'])}" for one in lifecycle["rules"]]
    if installer["grants"]:
        lines.append("    (what changes something is limited to the job's own objects by name)")
    return [*lines, "  training pods: none"]
