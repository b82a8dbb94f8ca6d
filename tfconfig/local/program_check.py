"""Whether the program is on this machine, looked at before any server starts: a job without it cannot succeed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tfconfig.local.errors import CannotRunError
from tfconfig.local.launch import Launch
from tfconfig.tensorflow_job.task.job_spec import runs_server

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec

_PYTHON, _SHELL = re.compile(r"python[0-9.]*"), re.compile(r"(ba|da|z|k)?sh")
_PYTHON_ENDS, _PYTHON_TAKES = {"-m", "-c", "-"}, {"-W", "-X"}  # no file follows; the next word belongs to it


def check_program(job: JobSpec, launches: Mapping[str, Launch], start: Path) -> None:
    """Raise CannotRunError where the program, or the script that it is to run, does not exist. It starts in `start`."""
    words = [*job["program"]["command"], *job["program"]["args"]]
    if not words or "$(" in words[0]:
        return
    program, script = words[0], script_of(words)
    for launch in (launch for role, launch in launches.items() if not runs_server(job, role)):
        path = launch.environ.get("PATH", os.defpath)
        found = (start / program).exists() if "/" in program else shutil.which(program, os.F_OK, path=path)
        if not found:
            where = start if "/" in program else "PATH"
            raise CannotRunError(f"program.command: {program}: no such program in {where}")
    if script and not (start / script).exists():
        raise CannotRunError(f"program.command: {script}: no such file in {start}, where the program starts")


def script_of(words: Iterable[str]) -> str:
    """The file that Python or a shell is told to run; empty where there is none, or it is not known."""
    first, *rest = words
    interpreter = Path(first).name
    python = bool(_PYTHON.fullmatch(interpreter))
    if not python and not _SHELL.fullmatch(interpreter):
        return ""
    arguments = iter(rest)
    for word in arguments:
        if "$(" in word:
            return ""
        if not word.startswith("-"):
            return word
        if word in _PYTHON_ENDS if python else "c" in word or word.startswith("--"):
            return ""
        if word in _PYTHON_TAKES if python else word.endswith("o"):
            next(arguments, None)
    return ""
