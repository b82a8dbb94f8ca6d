"""How the tasks of a role start on this machine: Python, environment, grace period."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfconfig.local.errors import CannotRunError
from tfconfig.tensorflow_job.task import threads
from tfconfig.values import job_spec, role_settings


@dataclass(frozen=True)
class Launch:
    """The Python that runs the in-pod code, the environment, the grace period in seconds, and the CPUs of each task."""

    python: list[str]
    environ: Mapping[str, str]
    grace: float
    cpus: float


def cpus_for_each(tasks: int) -> float:
    """An equal share of the CPUs that this process has."""
    limit = threads.cpu_limit()
    available = threads.cores() if limit is None else min(limit, threads.cores())
    return max(1.0, available // tasks)


def launch(data: Mapping[str, Any], role: str, python: str | None, folders: Mapping[str, str], cpus: float) -> Launch:
    """For a role of these values; `python` replaces that of the values, `folders` is that of data_folders().

    Raises CannotRunError.
    """
    made, missing = role_settings.environment(data, role, os.environ, folders)
    if missing:
        raise CannotRunError(
            f"{role}: env {', '.join(missing)} comes from a Secret or another source in the cluster; "
            "set these variables in this shell"
        )
    # What the caller's own shell has under the names made for each task is about something else.
    environ = {key: value for key, value in os.environ.items() if key not in role_settings.MADE_VARIABLES}
    if not (job_spec.gpus(data, role) or role_settings.asks_for_devices(data, role)):
        environ.pop("CUDA_VISIBLE_DEVICES", None)
    command = [python] if python else list(role_settings.setting(data, role, "python"))
    path = shutil.which(command[0])
    if not path:
        raise CannotRunError(f"{command[0]}: no such Python on PATH; name the one that has TensorFlow with --python")
    executable = Path(path).absolute()
    if python:
        # So that `python3` in program.command is this one as well.
        environ["PATH"] = f"{executable.parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    grace = float(role_settings.setting(data, role, "terminationGracePeriodSeconds"))
    return Launch([str(executable), *command[1:], "-S"], {**environ, **made}, grace, cpus)
