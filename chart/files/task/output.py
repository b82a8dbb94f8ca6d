"""What a program prints, passed on by a process that may also look at it. Python 3.6.

The process copies from the program's pipe to where the output was to go anyway, byte for byte and at once, so that
PID 1 stays free for signals. What it has copied it gives to sinks, which never wait: the file of `logs.persist`
(kept_log.py), and whoever looks for the program's progress (watch.py). Should the copying process be killed, the
kernel's pipe holds the output until it is started again.
"""

import contextlib
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Callable, List, Optional, Sequence, Tuple, Union

from .job_spec import Task, name
from .log import OWN

if TYPE_CHECKING:
    from .contracts import JobSpec
    from .kept_log import File
    from .watch import Watch

    Sink = Union[File, Watch]

CHUNK_BYTES = 64 * 1024
DRAIN_SECONDS = 1.0  # for what was printed last, once the program has ended ...
FLUSH_SECONDS = 1.0  # ... and for the sinks after that: the kubelet waits for the whole container


class Output:
    """The pipes and the copying process of one program.

    `sinks` makes the sinks, in the copying process. Without `copied` the program prints where it would print anyway.
    """

    def __init__(self, sinks: "Callable[[], List[Sink]]", copied: bool = True) -> None:
        self._sinks = sinks
        self._pipes: List[Tuple[Tuple[int, int], Tuple[int, ...]]] = []
        if copied:
            pipe = os.pipe()
            # Where both go to one place, one pipe keeps them in order.
            self._pipes = [(pipe, (1, 2))] if _same(1, 2) else [(pipe, (1,)), (os.pipe(), (2,))]
        self._end, self._ended = os.pipe(), os.pipe()
        self._pid = 0
        self._start()

    @property
    def group(self) -> int:
        """The process group of the copying process."""
        return self._pid

    def attach(self) -> None:
        """In the program's process: print into the pipes."""
        for (_, write), targets in self._pipes:
            for target in targets:
                os.dup2(write, target)

    def again(self, pids: List[int]) -> None:
        """Start the copying process again if it is among those that have ended."""
        if self._pid in pids:
            self._start()

    def finish(self) -> None:
        """The program has ended: wait until what it printed is copied, but not for ever."""
        os.close(self._end[1])
        os.close(self._ended[1])
        select.select([self._ended[0]], [], [], DRAIN_SECONDS + FLUSH_SECONDS + 0.5)

    def _start(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                self._become()
            finally:
                os._exit(1)

    def _become(self) -> None:
        os.setpgid(0, 0)  # signals are for the program
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        os.close(self._end[1])
        os.close(self._ended[0])
        for (_, write), _ in self._pipes:
            os.close(write)
        sinks = self._sinks()
        copy([(read, targets[0]) for (read, _), targets in self._pipes], self._end[0], sinks)
        until = time.monotonic() + FLUSH_SECONDS
        for sink in sinks:
            sink.close(max(0.0, until - time.monotonic()))
        os._exit(0)


def output(job: "JobSpec", task: Task, state: str, sources: Sequence[str], keeps: bool = False) -> Output:
    """For the logs on the volume, where they are wanted, to see the program's progress, where there are sources, and
    for the last lines of a pod that may be kept.
    """
    logs = job["logs"] if job["checkpointDir"] else None

    def sinks() -> "List[Sink]":
        made: "List[Sink]" = []
        if logs:
            from .kept_log import File

            path = os.path.join("logs", job["runId"], name(task) + ".log")
            made.append(File(job["checkpointDir"], path, logs["maxBytes"], logs["files"]))
        if keeps:
            from . import last_output

            made.append(last_output.sink(state))
        if sources:
            from .watch import Watch

            made.append(Watch(job, state))
        return made

    # A program that has a terminal keeps it.
    return Output(sinks, copied=bool(logs) or keeps or ("output" in sources and not os.isatty(1)))


def copy(pairs: List[Tuple[int, int]], end: int, sinks: "List[Sink]") -> None:
    """From each first descriptor to its second and to the sinks, until `end` is closed and nothing is left."""
    until: Optional[float] = None
    while until is None or time.monotonic() < until:
        waited = [read for read, _ in pairs] + ([end] if until is None else [])
        ready = select.select(waited, [], [], None if until is None else 0)[0]
        if until is not None and not ready:
            return
        if until is None and end in ready:
            until = time.monotonic() + DRAIN_SECONDS
        for pair in [pair for pair in pairs if pair[0] in ready]:
            data = os.read(pair[0], CHUNK_BYTES)
            if not data:
                pairs.remove(pair)
            write(pair[1], data)
            for sink in sinks:
                sink.put(data)


def _same(descriptor: int, other: int) -> bool:
    first, second = os.fstat(descriptor), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def write(descriptor: int, data: bytes) -> None:
    """All of it, wherever it can still be read."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]


def write_line(text: str) -> None:
    """A line of the copying process itself; log.py would fail, and end it, where nobody reads standard error."""
    write(2, ("%s%s\n" % (OWN, text)).encode())
