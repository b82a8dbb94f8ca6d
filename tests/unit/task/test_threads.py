"""How many threads TensorFlow is told to start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.task.conftest import Container, job, shell
from tfconfig.tensorflow_job.task import threads

NAMES = "TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS OMP_NUM_THREADS"


def limit(folder: Path, own: str, files: dict[str, str]) -> float | None:
    """The CPU limit with these files below /sys/fs/cgroup."""
    for name, text in files.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    (folder / "own").write_text(own)
    return threads.cpu_limit(str(folder / "cgroup"), str(folder / "own"))


V2, V1 = "0::/\n", "12:memory:/kubepods/pod1/c\n4:cpu,cpuacct:/kubepods/pod1/c\n"


@pytest.mark.parametrize(
    ("own", "files", "cpus"),
    [
        (V2, {"cpu.max": "200000 100000"}, 2.0),
        (V2, {"cpu.max": "max 100000"}, None),
        (V2, {"cpu.max": "50000 100000"}, 0.5),
        (V2, {}, None),
        ("0::/a/b\n", {"cpu.max": "max 100000", "a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3.0),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "200000 100000"}, 2.0),
        # A container without a namespace for groups: the path is the host's, what is mounted its own.
        (V1, {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 1.5),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (
            "3:cpu:/pod/c\n0::/\n",
            {"cpu/pod/cpu.cfs_quota_us": "400000", "cpu/pod/cpu.cfs_period_us": "100000", "cpu/cpu.cfs_quota_us": "-1"},
            4.0,
        ),
        ("", {}, None),
        ("nonsense", {}, None),
    ],
)
def test_the_limit_is_that_of_the_control_group(
    tmp_path: Path, own: str, files: dict[str, str], cpus: float | None
) -> None:
    assert limit(tmp_path, own, files) == cpus


def test_a_file_that_says_something_else_is_no_limit(tmp_path: Path) -> None:
    assert limit(tmp_path, V2, {"cpu.max": "some text"}) is None


@pytest.mark.parametrize(
    ("cpus", "cores", "values"),
    [
        (2.0, 96, ("2", "2", "2")),
        (1.5, 96, ("2", "2", "2")),
        (0.5, 96, ("1", "2", "1")),
        (8.0, 96, ("8", "8", "8")),
        (2.0, 2, None),
        (4.0, 2, None),
        (None, 96, None),
    ],
)
def test_threads_fit_the_limit_and_are_left_alone_without_one(
    monkeypatch: pytest.MonkeyPatch, cpus: float | None, cores: int, values: tuple[str, ...] | None
) -> None:
    monkeypatch.setattr(threads, "cores", lambda: cores)
    assert threads.variables(cpus) == (dict(zip(NAMES.split(), values, strict=True)) if values else {})


@pytest.mark.skipif(threads.cores() < 2, reason="a machine of one core has nothing to divide")
def test_a_program_finds_them_where_nobody_set_them(container: Container) -> None:
    script = (
        f'for n in {NAMES}; do eval "echo $n=\\$$n"; done; python3 -c "import os; print(len(os.sched_getaffinity(0)))"'
    )
    container.write(job(program=shell(script)))
    command = container.task(cpus=1)
    environ = {name: value for name, value in os.environ.items() if name not in NAMES}
    environ["OMP_NUM_THREADS"] = "7"
    lines = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"TF_NUM_INTRAOP_THREADS=1", "TF_NUM_INTEROP_THREADS=2", "OMP_NUM_THREADS=7"} <= set(lines)
    assert lines[-1] == str(threads.cores()), "no core is taken away"
