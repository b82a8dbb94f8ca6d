"""A job with the addresses and folders of this machine. Everything is checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconfig.local.folders import checkpoint_folder, data_folders, with_local_paths
from tfconfig.local.launch import Launch, cpus_for_each, launch
from tfconfig.local.ports import addresses
from tfconfig.values import job_spec, role_settings
from tfconfig.values.load import Values

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec, Program


def local_job(
    values: Values,
    release: str,
    checkpoint: Path | None = None,
    data: Mapping[str, Path] | None = None,
    python: str | None = None,
    port: int | None = None,
    dry_run: bool = False,
) -> tuple[JobSpec, dict[str, Launch]]:
    """The job spec, and how the tasks of each role start. The values must be valid; the rest is as for `tfconfig run`.

    Raises CannotRunError, and leaves nothing behind but the checkpoint folder; not even that with `dry_run`.
    """
    job = job_spec.job(values.data, release, values.chart.strategies)
    folders = data_folders(values.data, data or {})
    cpus = cpus_for_each(sum(job["replicas"].values()))
    launches = {role: launch(values.data, role, python, folders, cpus) for role in job["replicas"]}
    table = addresses(job, port)
    checkpoints = checkpoint_folder(job, checkpoint, dry_run)
    volumes = role_settings.data_volumes(values.data)
    local_paths = {volumes[key]["mountPath"]: folder for key, folder in folders.items()}
    if checkpoints:
        local_paths[values.data["checkpoint"]["mountPath"]] = str(checkpoints)
    local: JobSpec = {
        **job,
        "program": _local_program(job["program"], local_paths),
        "programs": {role: _local_program(own, local_paths) for role, own in job["programs"].items()},
        "checkpointDir": str(checkpoints or ""),
        "addresses": table,
        "gang": False,  # there are no pods that a scheduler starts
    }
    return local, launches


def _local_program(program: Program, local_paths: Mapping[str, str]) -> Program:
    return {
        "command": with_local_paths(program["command"], local_paths),
        "args": with_local_paths(program["args"], local_paths),
    }


def cluster_only(data: Mapping[str, Any], job: JobSpec) -> str:
    """What the values give the tasks on a cluster alone: `init container code, mount /code`; empty without any."""
    parts: dict[str, None] = {}  # in order, each once
    for role in job["replicas"]:
        for key, field, text in (
            ("initContainers", "name", "init container"),
            ("extraContainers", "name", "container"),
            ("extraVolumeMounts", "mountPath", "mount"),
        ):
            parts.update((f"{text} {item[field]}", None) for item in role_settings.setting(data, role, key) or [])
        if role_settings.setting(data, role, "envFrom"):
            parts["envFrom (set its variables in this shell)"] = None
        for key in ("podSpec", "container"):
            parts.update((f"{key}.{field}", None) for field in role_settings.setting(data, role, key))
        for program in (data["program"], (data.get(role) or {}).get("program") or {}):
            if program.get("workingDir"):
                parts[f"working folder {program['workingDir']}"] = None
    return ", ".join(parts)
