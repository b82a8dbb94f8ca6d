"""What a container used, by the files of its control group and by nvidia-smi."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.task.conftest import Container, job, shell, wait_until
from tfconfig.tensorflow_job.task import usage
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.usage import Gpus, Usage

GIB = 1 << 30
V2 = "0::/\n"
V1 = "12:memory:/kubepods/pod1/c\n4:cpu,cpuacct:/kubepods/pod1/c\n0::/\n"
MEMORY_V2 = f"anon {GIB}\nfile {7 * GIB}\nshmem 4096\nkernel_stack 9000"
MEMORY_V1 = f"cache {7 * GIB}\nrss 5\ntotal_cache {7 * GIB}\ntotal_rss {GIB}\ntotal_shmem 4096"
FILES_V2 = {"memory.stat": MEMORY_V2, "memory.max": str(4 * GIB), "cpu.max": "200000 100000"}
FILES_V1 = {
    "memory/memory.stat": MEMORY_V1,
    "memory/memory.limit_in_bytes": str(4 * GIB),
    "cpu/cpu.cfs_quota_us": "200000",
    "cpu/cpu.cfs_period_us": "100000",
}


class Cgroup:
    """The files of a container's control group."""

    def __init__(self, folder: Path, own: str, files: dict[str, str]) -> None:
        self.folder, self.own = folder / "cgroup", folder / "own"
        self.own.write_text(own)
        self.write(files)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text + "\n")

    def cpu(self, seconds: int, periods: int, throttled: int) -> None:
        """The CPU time so far, in the files of both versions."""
        self.write({"cpu.stat": f"usage_usec {seconds}000000\nnr_periods {periods}\nnr_throttled {throttled}"})
        self.write({"cpu/cpu.stat": f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_time 5"})
        self.write({"cpuacct/cpuacct.usage": f"{seconds}000000000"})

    def usage(self) -> Usage:
        return Usage("", str(self.folder), str(self.own))


def used(usage: Usage) -> dict[str, Any]:
    usage.look()
    document = usage.document()
    document.pop("seconds", None)
    return document


@pytest.mark.parametrize(("own", "files"), [(V2, FILES_V2), (V1, FILES_V1)], ids=["version 2", "version 1"])
def test_cpu_and_memory_are_reported_with_their_limits(tmp_path: Path, own: str, files: dict[str, str]) -> None:
    group = Cgroup(tmp_path, own, files)
    group.cpu(100, 1000, 100)
    usage = group.usage()
    group.cpu(130, 1400, 200)
    assert used(usage) == {
        "cpuSeconds": 30.0,
        "cpuLimit": 2.0,
        "throttledShare": 0.25,
        "memoryPeakBytes": GIB + 4096,  # the page cache is 7 GiB
        "memoryLimitBytes": 4 * GIB,
    }


@pytest.mark.parametrize(
    ("own", "files", "keys"),
    [
        (V2, {}, set()),  # a sandbox that shows no control groups
        ("", FILES_V2, set()),
        (V1, {"memory/memory.stat": MEMORY_V1}, set()),
        (V2, {"memory.stat": MEMORY_V2}, set()),  # the group of a whole machine
        (V2, {**FILES_V2, "memory.stat": "no table"}, {"cpuSeconds", "cpuLimit", "throttledShare"}),
        (V2, {**FILES_V2, "memory.max": "max", "cpu.max": "max 100000"}, {"cpuSeconds", "memoryPeakBytes"}),
        (
            V1,
            {**FILES_V1, "memory/memory.limit_in_bytes": "9223372036854771712", "cpu/cpu.cfs_quota_us": "-1"},
            {"cpuSeconds", "memoryPeakBytes"},
        ),
    ],
)
def test_without_a_limit_or_files_there_is_less_to_tell(
    tmp_path: Path, own: str, files: dict[str, str], keys: set[str]
) -> None:
    group = Cgroup(tmp_path, own, files)
    if any(name.startswith("cpu") for name in files):
        group.cpu(100, 1000, 100)
    usage = group.usage()
    if any(name.startswith("cpu") for name in files):
        group.cpu(130, 1400, 200)
    assert used(usage).keys() == keys
    assert bool(usage.line()) == bool(keys)


def test_the_peak_stays_when_memory_is_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "LOOK_SECONDS", 0.0)
    group = Cgroup(tmp_path, V2, FILES_V2)
    watched = group.usage()
    for anonymous in (GIB, 3 * GIB, 2 * GIB):
        group.write({"memory.stat": f"anon {anonymous}\nshmem 0"})
        watched.look()
    assert watched.document()["memoryPeakBytes"] == 3 * GIB


def test_it_looks_when_it_is_time_and_not_before(tmp_path: Path) -> None:
    group = Cgroup(tmp_path, V2, FILES_V2)
    watched = group.usage()
    assert watched.wait() == 0
    watched.look()
    assert 0 < watched.wait() <= usage.LOOK_SECONDS
    group.write({"memory.stat": f"anon {3 * GIB}\nshmem 0"})
    watched.look()
    assert watched.document()["memoryPeakBytes"] == GIB + 4096


def test_a_local_task_leaves_what_its_processes_used_in_a_file(tmp_path: Path) -> None:
    local = usage.of(job(gpus={"worker": 1}), Task("worker", 0), str(tmp_path), contained=False)
    assert local.line() == "", "nothing goes into a message"
    assert json.loads((tmp_path / usage.PROCESSES_FILE).read_text()).keys() == {
        "seconds", "cpuSeconds", "memoryPeakBytes",
    }  # fmt: skip


def test_a_program_that_succeeds_leaves_word_of_what_was_used(container: Container) -> None:
    container.write(job(program=shell("echo done")))
    assert container.run() == 0
    assert container.message == ""
    expected = used(Usage())  # of the group that these tests run in; where there is none, nothing
    assert container.used.keys() - {"seconds"} == expected.keys()


@pytest.mark.parametrize(
    ("answers", "document"),
    [
        (["50, 1024\n100, 2048"], {"gpuShare": 0.75, "gpuMemoryPeakBytes": 3 * GIB}),
        (["50, 1024", "0, 512"], {"gpuShare": 0.25, "gpuMemoryPeakBytes": GIB}),
        (["[N/A], 1024"], {"gpuMemoryPeakBytes": GIB}),  # a part of a GPU
        (["[N/A], [Insufficient Permissions]"], {}),
        (["No devices were found"], {}),
        (["\u00b2, 5"], {"gpuMemoryPeakBytes": 5 << 20}),  # a digit, and no number
        (["\u0663, \u0663"], {}),
        (["9" * 4500 + ", 1"], {}),  # more digits than int() takes
        (["9" * 30 + ", " + "9" * 30], {}),
        ([""], {}),
    ],
)
def test_gpus_are_reported_as_far_as_nvidia_smi_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str], document: dict[str, Any]
) -> None:
    monkeypatch.setattr(usage, "GPU_SECONDS", 0.0)
    path = tmp_path / usage.GPU_FILE
    gpus = Gpus(str(path), ["true"])
    for answer in [*answers, ""]:
        monkeypatch.setattr(os, "fork", lambda: 1 << 30)  # of no process that is there
        gpus.look()
        path.write_text(answer + "\n")
    assert gpus.document() == document


def test_what_cannot_be_run_or_hangs_tells_nothing_and_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "GPU_SECONDS", 0.0)
    read, write = os.pipe()
    os.set_inheritable(read, True)
    gpus = Gpus(str(tmp_path / "gpus"), ["sh", "-c", f"echo 40, 2; read line <&{read}"])
    gpus.look()
    asked = gpus._pid
    wait_until(lambda: (tmp_path / "gpus").exists() and (tmp_path / "gpus").read_text())
    gpus.look()
    assert gpus._pid == asked
    assert gpus.document() == {}
    os.write(write, b"\n")
    os.waitpid(asked, 0)
    gpus._query = [str(tmp_path / "none")]
    gpus.look()
    assert gpus.document() == {"gpuShare": 0.4, "gpuMemoryPeakBytes": 2 << 20}
    os.waitpid(gpus._pid, 0)
    gpus.look()
    os.waitpid(gpus._pid, 0)
    assert gpus.document() == {"gpuShare": 0.4, "gpuMemoryPeakBytes": 2 << 20}
