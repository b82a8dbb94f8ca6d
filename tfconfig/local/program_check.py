"""Whether the program is on this machine, looked at before any server starts: a job without it cannot succeed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tfconfig.local.errors import CannotRunError
from tfconfig.local.launch import Launch
from tfconfig.tensorflow_job.task import environ, references
from tfconfig.tensorflow_job.task.job_spec import Task, command_line, runs_server
from tfconfig.values.command_line import script_of
from tfconfig.values.paths import exists

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec

_IS_PYTHON = 47  # an exit status
_ANSWER_SECONDS = 60.0


def check_program(job: JobSpec, launches: Mapping[str, Launch], start: Path) -> None:
    """Raise CannotRunError where the program, or the script that it is to run, does not exist. It starts in `start`."""
    for role, launch in launches.items():
        command = command_line(job, role)
        if runs_server(job, role) or not command or "$(" in command[0]:
            continue
        key = f"{role}.program.command" if job.get("programs", {}).get(role) else "program.command"
        program, script = command[0], script_of(command)
        path = _path(job, role, launch)
        present = exists(start / program) if "/" in program else shutil.which(program, os.F_OK, path=path)
        if not present:
            where = start if "/" in program else "PATH"
            raise CannotRunError(f"{key}: {program}: no such program in {where}")
        if script and not exists(start / script):
            raise CannotRunError(f"{key}: {script}: no such file in {start}, where the program starts")


def check_pythons(job: JobSpec, launches: Mapping[str, Launch]) -> None:
    """Raise CannotRunError where what starts tasks is no Python, or the one of a built-in server has no TensorFlow."""
    for python, launch in {tuple(launch.python): launch for launch in launches.values()}.items():
        _check_version(python, launch)
    pythons = {tuple(launch.python): launch for role, launch in launches.items() if runs_server(job, role)}
    for python, launch in pythons.items():
        # Without -S, as the server runs: `site` finds what is installed. Not imported: that takes seconds.
        code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('tensorflow') is None)"
        result = subprocess.run([*python[:-1], "-c", code], env=dict(launch.environ), capture_output=True, check=False)
        if result.returncode == 1:
            raise CannotRunError(
                f"{python[0]} has no TensorFlow, which a server needs; name the Python that has it with --python"
            )


def _check_version(python: tuple[str, ...], launch: Launch) -> None:
    # 0 would be the status of /bin/true as well.
    code = f"import sys; sys.exit({_IS_PYTHON} if sys.version_info >= (3, 6) else 1)"
    nothing = subprocess.DEVNULL
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [*python, "-c", code], env=dict(launch.environ), check=False, timeout=_ANSWER_SECONDS,
            stdin=nothing, stdout=nothing, stderr=nothing,
        )  # fmt: skip
        if done.returncode == _IS_PYTHON:
            return
    raise CannotRunError(
        f"{python[0]} does not run as Python 3.6 or newer; name the one that has TensorFlow with --python"
    )


def _path(job: JobSpec, role: str, launch: Launch) -> str:
    """PATH of the program: the values may have put folders before this machine's (`PATH: /x:$(PATH)`)."""
    variables, _ = environ.merge(job, Task(role, 0), launch.environ, {})
    texts = job.get("env", {}).get(role, {})
    return references.resolve(texts, variables).get("PATH") or variables.get("PATH", os.defpath)
