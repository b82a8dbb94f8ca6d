"""The Pythons of this machine: the in-pod programs are run under the oldest one that they claim to support."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

_VERSION = "import sys; print(*sys.version_info[:2])"


@cache
def interpreters() -> dict[tuple[int, int], str]:
    """Version -> a program: those on PATH and those of pyenv, with the one that runs the tests."""
    found = {sys.version_info[:2]: sys.executable}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    on_path = (shutil.which(f"python3.{minor}") for minor in range(6, 16))
    candidates: list[str | None] = [*map(str, pyenv.glob("3.*/bin/python3")), *on_path]
    for candidate in filter(None, candidates):
        done = subprocess.run([candidate, "-S", "-c", _VERSION], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            major, minor = done.stdout.split()
            found.setdefault((int(major), int(minor)), candidate)
    return found


def oldest(floor: tuple[int, int]) -> str:
    """The oldest Python here that is not older than this version."""
    return min((version, program) for version, program in interpreters().items() if version >= floor)[1]
