"""Whether the program is on this machine, looked at before any server starts: a job without it cannot succeed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tfconfig.local.errors import CannotRunError
from tfconfig.local.launch import Launch
from tfconfig.tensorflow_job.task import environ, references
from tfconfig.tensorflow_job.task.job_spec import Task, command_line, runs_server
from tfconfig.values.command_line import script_of

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec


def check_program(job: JobSpec, launches: Mapping[str, Launch], start: Path) -> None:
    """Raise CannotRunError where the program, or the script that it is to run, does not exist. It starts in `start`."""
    for role, launch in launches.items():
        words = command_line(job, role)
        if runs_server(job, role) or not words or "$(" in words[0]:
            continue
        key = f"{role}.program.command" if job.get("programs", {}).get(role) else "program.command"
        program, script = words[0], script_of(words)
        path = _path(job, role, launch)
        found = (start / program).exists() if "/" in program else shutil.which(program, os.F_OK, path=path)
        if not found:
            where = start if "/" in program else "PATH"
            raise CannotRunError(f"{key}: {program}: no such program in {where}")
        if script and not (start / script).exists():
            raise CannotRunError(f"{key}: {script}: no such file in {start}, where the program starts")


def _path(job: JobSpec, role: str, launch: Launch) -> str:
    """PATH of the program: the values may have put folders before this machine's (`PATH: /x:$(PATH)`)."""
    variables, _ = environ.merge(job, Task(role, 0), launch.environ, {})
    texts = job.get("env", {}).get(role, {})
    return references.resolve(texts, variables).get("PATH") or variables.get("PATH", os.defpath)
