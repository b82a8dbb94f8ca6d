"""How many threads a program starts: as many as its CPU limit has room for. Python 3.6.

TensorFlow, BLAS and OpenMP count the cores that they may run on. A CPU limit takes none of them away: it stops all
threads together for the rest of each 100 ms, so the threads of 96 cores with a limit of 2 only hinder each other.
"""

import math
import os
import re
from typing import Dict, Iterator, Optional, Tuple

CGROUPS, OWN = "/sys/fs/cgroup", "/proc/self/cgroup"


def variables(limit: Optional[float]) -> Dict[str, str]:
    """The variables for this many CPUs; none where there is no limit, or no more cores than that."""
    return {} if limit is None or limit >= cores() else for_limit(limit)


def for_limit(limit: float) -> Dict[str, str]:
    """The variables for this many CPUs."""
    threads = max(1, math.ceil(limit - 0.01))
    return {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        # An operation that waits for another one must not hold the only thread.
        "TF_NUM_INTEROP_THREADS": str(max(2, threads)),
        "OMP_NUM_THREADS": str(threads),  # OpenMP; also OpenBLAS and MKL, unless their own variables are set
    }


def cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_limit(cgroups: str = CGROUPS, own: str = OWN) -> Optional[float]:
    """The CPUs that this process's control group, and those around it that can be seen, have; None: no limit."""
    limits = [quota / period for quota, period in _quotas(cgroups, own) if quota > 0 and period > 0]
    return min(limits) if limits else None


def group_folders(cgroups: str, own: str, controller: str) -> Iterator[Tuple[int, str]]:
    """The folders of this process's control group and those around it, with the version, innermost first."""
    for line in read_file(own).splitlines():
        _, _, group = line.partition(":")
        controllers, _, path = group.partition(":")
        for folder in _upwards(path):
            if not controllers:
                yield 2, cgroups + folder
            elif controller in controllers.split(","):
                yield 1, "%s/%s%s" % (cgroups, controller, folder)


def read_file(path: str) -> str:
    """Its text without space around it; empty where it cannot be read."""
    try:
        with open(path) as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def _quotas(cgroups: str, own: str) -> Iterator[Tuple[int, int]]:
    for version, folder in group_folders(cgroups, own, "cpu"):
        if version == 2:
            parts = read_file(folder + "/cpu.max").split()
        else:
            parts = [read_file("%s/cpu.cfs_%s_us" % (folder, name)) for name in ("quota", "period")]
        if len(parts) == 2 and all(re.match("[0-9]+$", part) for part in parts):  # else "max", -1 or nothing
            yield int(parts[0]), int(parts[1])


def _upwards(path: str) -> Iterator[str]:
    """A group and those around it. A container may be shown the path of its host, of which only the root exists."""
    while path.strip("/"):
        yield path
        path = path.rpartition("/")[0]
    yield ""
