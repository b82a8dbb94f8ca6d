"""What processes use, read from /proc; they run on this machine, those in pods too."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TICKS = os.sysconf("SC_CLK_TCK")
PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far, and the most memory that was resident at a time, in MiB."""

    cpu: float = 0.0
    peak: float = 0.0
    resident: float = 0.0


def read(pid: int) -> Usage:
    """What a process has used; ProcessLookupError when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(pid) from error
    if "VmHWM" not in lines:  # it has ended and only waits to be collected
        raise ProcessLookupError(pid)
    peak, resident = (int(lines[key].split()[0]) / 1024 for key in ("VmHWM", "VmRSS"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, peak, resident)


def processes_of_pods(uids: set[str]) -> dict[str, int]:
    """The process that runs the lifecycle in each of these pods: UID -> process id, for those that have one."""
    processes: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"--job=" in (folder / "cmdline").read_bytes():
                group = (folder / "cgroup").read_text()
                processes |= {uid: int(folder.name) for uid in uids if uid in group}
    return processes


class Sampler:
    """Keeps the last reading of the lifecycles in pods, which may end before they are asked for."""

    def __init__(self, pods: Mapping[str, object]) -> None:
        """`pods` has their UIDs as keys, and may grow."""
        self._pods = pods
        self._pids: dict[str, int] = {}
        self._last: dict[str, Usage] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def total(self) -> Usage:
        """Of all of them: CPU and memory added up."""
        self._look()
        last = self._last.values()
        return Usage(
            sum(usage.cpu for usage in last), sum(usage.peak for usage in last), sum(usage.resident for usage in last)
        )

    def largest(self) -> float:
        """The highest peak of one of them."""
        self._look()
        return max((usage.peak for usage in self._last.values()), default=0.0)

    def _work(self) -> None:
        while not self._closed.wait(PAUSE_SECONDS):
            self._look()

    def _look(self) -> None:
        with self._lock:
            missing = set(self._pods) - set(self._pids)
            if missing:
                self._pids |= processes_of_pods(missing)
            for uid, pid in self._pids.items():
                with suppress(ProcessLookupError):
                    self._last[uid] = read(pid)
