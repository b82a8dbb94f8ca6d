"""Usage read from control groups that are the kernel's own. Only root can make them: conftest leaves this out else.

A machine has each controller in version 1 or in version 2; every group of version 2 has cpu.stat.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfconfig.tensorflow_job.task.usage import Usage

MIB = 1 << 20
# Joins the group, and only then uses 0.3 s of CPU time and 64 MiB; ends with its standard input.
PROGRAM = """
import os, sys, time
open(sys.argv[1], "w").write(str(os.getpid()))
memory = b"x" * (64 << 20)
began = time.process_time()
while time.process_time() < began + 0.3:
    pass
print("done", flush=True)
sys.stdin.read()
"""


ROOT = Path("/sys/fs/cgroup")
UNIFIED = ROOT if (ROOT / "cgroup.controllers").exists() else ROOT / "unified"


@contextmanager
def new_group(hierarchy: Path) -> Iterator[Path]:
    """A new control group."""
    folder = hierarchy / f"tfconfig-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    folder.rmdir()


def used_in(group: Path, folder: Path, own: str, subfolder: str = "") -> dict[str, Any]:
    """What the reader finds of a program in this group, of which it sees the files below `folder`.

    `own` is the line of /proc/self/cgroup. A group without the CPU controller has no cpu.max.
    """
    seen = folder / "cgroup" / subfolder
    seen.mkdir(parents=True)
    for file in group.iterdir():
        (seen / file.name).symlink_to(file)
    if not subfolder and not (group / "cpu.max").exists():
        (seen / "cpu.max").write_text("max 100000\n")
    (folder / "own").write_text(own)
    # As PID 1, which has used some CPU time before it looks first.
    subprocess.run(
        ["sh", "-c", f"echo $$ >'{group}/cgroup.procs'; i=0; while test $i -lt 9999; do i=$((i + 1)); done"], check=True
    )
    usage = Usage("", str(folder / "cgroup"), str(folder / "own"))
    words = [sys.executable, "-c", PROGRAM, str(group / "cgroup.procs")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        assert program.stdout.readline() == "done\n"
        usage.look()
        document = usage.document()
        program.communicate()
    return document


def test_the_cpu_time_is_that_of_the_group(tmp_path: Path) -> None:
    with new_group(UNIFIED) as group:
        assert 0.25 <= used_in(group, tmp_path, "0::/\n")["cpuSeconds"] < 5


def test_the_memory_is_that_of_the_group(tmp_path: Path) -> None:
    old = ROOT / "memory"
    with new_group(old if old.exists() else UNIFIED) as group:
        where = ("1:memory:/\n", "memory") if old.exists() else ("0::/\n",)
        assert 64 * MIB <= used_in(group, tmp_path, *where)["memoryPeakBytes"] < 128 * MIB
