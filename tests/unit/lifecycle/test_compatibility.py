"""The lifecycle runs under Python 3.10 and later, in an image of its own, and says so under an older one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.interpreters import interpreters, oldest
from tfconfig.tensorflow_job.lifecycle import lifecycle

PROGRAM = Path(lifecycle.__file__).parent
TOO_OLD = [version for version in sorted(interpreters()) if (3, 7) <= version < (3, 10)]


def test_it_starts_under_the_oldest_python_here_that_it_supports() -> None:
    done = subprocess.run([oldest((3, 10)), "-B", "-S", PROGRAM, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--run-id" in done.stdout


@pytest.mark.parametrize("version", TOO_OLD or [(3, 9)], ids=lambda version: "{}.{}".format(*version))
def test_an_older_python_is_refused_with_the_version_that_is_needed(version: tuple[int, int]) -> None:
    if version in interpreters():
        command = [interpreters()[version], "-B", "-S", str(PROGRAM), "--help"]
    else:  # none that is too old: this one plays it
        fake = "import runpy, sys; sys.version_info, sys.version = (3, 9, 18), '3.9.18'; sys.argv[1:] = ['--help']; "
        command = [oldest((3, 10)), "-B", "-c", f"{fake}runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "use 3.10 or newer" in done.stderr
