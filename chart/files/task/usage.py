"""What the container has used: CPU and memory by its control group, GPUs by nvidia-smi, TensorFlow. Python 3.6.

PID 1 looks every LOOK_SECONDS, in the loop that it waits in anyway. Memory is what cannot be dropped, anonymous and
shared memory: the kernel's own peak counts the page cache too, which fills any limit. Of a container without a limit,
or whose files cannot be read, there is less to tell, or nothing.
"""

import contextlib
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from . import files, messages
from .job_spec import dumps
from .threads import CGROUPS, OWN, cpu_limit, group_folders, read_file

if TYPE_CHECKING:
    from .contracts import JobSpec
    from .job_spec import Task

LOOK_SECONDS = 2.0
GPU_SECONDS = 30.0
SEARCH_SHARE = 0.1  # of the time so far: the longer TensorFlow is not loaded, the rarer it is looked for
NO_LIMIT = 1 << 60  # version 1 writes a number that no machine has
GPU_FILE = "gpus"
PROCESSES_FILE = "usage.json"
GPU_QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
MAX_ANSWER_BYTES = 4096
NUMBER = re.compile(r"\s*[0-9]{1,20}\s*$")
_MIB = 1 << 20


def of(job: "JobSpec", task: "Task", state: str, contained: bool) -> "Usage":
    """Of this task's container from now on; of its processes where it has none of its own, as a local task."""
    if not contained:
        return Processes(os.path.join(state, PROCESSES_FILE))
    gpus = task.role in job["gpus"] or task.role in job.get("devices", [])
    return Usage(os.path.join(state, GPU_FILE) if gpus else "")


class Usage:
    """From now on. `gpus`: a file for the answers of nvidia-smi; "" for a task without GPUs."""

    def __init__(self, gpus: str = "", cgroups: str = CGROUPS, own: str = OWN) -> None:
        self._began, self._next = time.monotonic(), 0.0
        self._memory = _memory_files(cgroups, own)
        self._cpu = _cpu_files(cgroups, own)
        self._cpu_limit = cpu_limit(cgroups, own)
        self._cpu_before = self._cpu_times()
        self._peak = 0
        self._gpus = Gpus(gpus) if gpus else None
        self._tensorflow = None  # type: Optional[str]
        self._next_search = self._began + LOOK_SECONDS

    @property
    def known(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._memory or self._gpus or self._tensorflow is None)

    def wait(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._next - time.monotonic())

    def look(self) -> None:
        """Look, when it is time."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_SECONDS
        if self._memory:
            self._peak = max(self._peak, _unreclaimable(_table(read_file(self._memory[0]))))
        if self._gpus:
            self._gpus.look()
        if self._tensorflow is None:
            self._search()

    def document(self) -> Dict[str, Any]:
        """What was used until now (contracts.UsageDocument); empty where nothing is known."""
        seconds = time.monotonic() - self._began
        document = {}  # type: Dict[str, Any]
        now = self._cpu_times()
        if now and self._cpu_before:
            used, periods, throttled = (now[at] - self._cpu_before[at] for at in range(3))
            document["cpuSeconds"] = round(used, 3)
            if self._cpu_limit:
                document["cpuLimit"] = self._cpu_limit
                if periods > 0:
                    document["throttledShare"] = round(throttled / periods, 3)
        if self._peak and self._memory:
            document["memoryPeakBytes"] = self._peak
            limit = _number(read_file(self._memory[1]))
            if 0 < limit < NO_LIMIT:
                document["memoryLimitBytes"] = limit
        document.update(self._gpus.document() if self._gpus else {})
        document.update(self._loaded())
        return dict(document, seconds=round(seconds, 3)) if document else {}

    def line(self) -> str:
        """The last line of a termination message; empty where nothing is known."""
        document = self.document()
        return "\n%s %s" % (messages.USED, dumps(document)) if document else ""

    def _search(self) -> None:
        now = time.monotonic()
        if now >= self._next_search:
            from . import loaded  # once the program runs

            self._tensorflow = loaded.tensorflow()
            self._next_search = now + SEARCH_SHARE * (now - self._began)

    def _loaded(self) -> Dict[str, str]:
        return {"tensorflow": self._tensorflow} if self._tensorflow else {}

    def _cpu_times(self) -> Optional[Tuple[float, int, int]]:
        """Seconds of CPU; periods that the limit is applied to, and those in which it stopped the container."""
        if self._cpu is None:
            return None
        stat, account = self._cpu
        table = _table(read_file(stat))
        used = _number(read_file(account)) / 1e9 if account else table.get("usage_usec", 0) / 1e6
        return (used, table.get("nr_periods", 0), table.get("nr_throttled", 0)) if used else None


class Processes(Usage):
    """Of the processes of a local task that have ended: CPU time, and the memory of the largest. Left in a file."""

    def __init__(self, path: str) -> None:
        super().__init__(own="")
        self._path = path

    def document(self) -> Dict[str, Any]:
        """What was used until now."""
        import resource  # not in containers

        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return dict(
            self._loaded(),
            seconds=round(time.monotonic() - self._began, 3),
            cpuSeconds=round(used.ru_utime + used.ru_stime, 3),
            memoryPeakBytes=used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        )

    def line(self) -> str:
        """Nothing: a file tells it of every end, and of a program that wrote a message of its own."""
        with contextlib.suppress(OSError):
            files.write(self._path, dumps(self.document()))
        return ""


class Gpus:
    """The GPUs that nvidia-smi shows: asked in a process that nobody waits for, as it may hang with a broken GPU."""

    def __init__(self, path: str, query: Optional[List[str]] = None) -> None:
        self._path, self._query = path, query or GPU_QUERY
        self._next, self._pid = 0.0, 0
        self._looks, self._share, self._peak = 0, 0.0, 0

    def look(self) -> None:
        """Read what was answered, and ask again, when it is time."""
        if time.monotonic() < self._next or (self._pid and _is_there(self._pid)):
            return
        self._next = time.monotonic() + GPU_SECONDS
        if self._pid:
            with contextlib.suppress(OSError):
                self._take(files.read(self._path, MAX_ANSWER_BYTES)[0].decode("latin-1"))
        self._pid = os.fork()
        if self._pid == 0:
            try:
                target = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(target, 1)
                os.dup2(os.open(os.devnull, os.O_RDWR), 2)
                os.execvp(self._query[0], self._query)
            finally:
                os._exit(127)

    def document(self) -> Dict[str, Any]:
        """The mean use of all GPUs, and the most memory of all together."""
        document = {}  # type: Dict[str, Any]
        if self._looks:
            document["gpuShare"] = round(self._share / self._looks, 3)
        if self._peak:
            document["gpuMemoryPeakBytes"] = self._peak
        return document

    def _take(self, text: str) -> None:
        rows = [line.split(",") for line in text.splitlines()]
        shares = [int(row[0]) for row in rows if NUMBER.match(row[0])]  # a part of a GPU (MIG) has [N/A]
        if shares:
            self._looks += 1
            self._share += min(1.0, sum(shares) / len(shares) / 100)
        self._peak = max(self._peak, sum(_number(row[1]) for row in rows if len(row) > 1) * _MIB)


def _memory_files(cgroups: str, own: str) -> Optional[Tuple[str, str]]:
    """memory.stat and the file of the limit; the group of a whole machine has none."""
    for version, folder in group_folders(cgroups, own, "memory"):
        limit = "%s/%s" % (folder, "memory.max" if version == 2 else "memory.limit_in_bytes")
        if read_file(limit):
            return folder + "/memory.stat", limit
    return None


def _cpu_files(cgroups: str, own: str) -> Optional[Tuple[str, str]]:
    """cpu.stat and, of version 1, the file of the CPU time."""
    for version, folder in group_folders(cgroups, own, "cpu"):
        if version == 2 and read_file(folder + "/cpu.max"):
            return folder + "/cpu.stat", ""
        if version == 1 and read_file(folder + "/cpu.stat"):
            for _, account in group_folders(cgroups, own, "cpuacct"):
                if read_file(account + "/cpuacct.usage"):
                    return folder + "/cpu.stat", account + "/cpuacct.usage"
    return None


def _unreclaimable(table: Dict[str, int]) -> int:
    if "anon" in table:  # version 2
        return table["anon"] + table.get("shmem", 0)
    return table.get("total_rss", 0) + table.get("total_shmem", 0)


def _table(text: str) -> Dict[str, int]:
    return {parts[0]: _number(parts[1]) for parts in (line.split() for line in text.splitlines()) if len(parts) == 2}


def _number(text: str) -> int:
    """The number, 0 for `max` and anything else."""
    return int(text) if NUMBER.match(text) else 0


def _is_there(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False
