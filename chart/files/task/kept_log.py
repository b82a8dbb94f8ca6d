"""What a program prints, also kept in a file on the checkpoint volume (`logs.persist`). Python 3.6.

A process of its own copies from the program's pipe to where the output was to go anyway, byte for byte and at once,
so that PID 1 stays free for signals. A thread there writes the file. Between the two is a buffer with a limit: a volume
that is full, slow or hangs loses lines in the file, which is reported once, and never holds up the program. Should the
copying process be killed, the kernel's pipe holds the output until it is started again.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from typing import Deque, List, Optional, Tuple

from .folders import open_file, open_folder

BUFFER_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
RETRY_SECONDS = 10.0  # between tries at a volume that refused
DRAIN_SECONDS = 1.0  # for what was printed last, once the program has ended ...
FLUSH_SECONDS = 1.0  # ... and for the file after that: the kubelet waits for the whole container


class Output:
    """The pipes and the copying process of one program."""

    def __init__(self, root: str, path: str, max_bytes: int, files: int) -> None:
        self._file = root, path, max_bytes, files
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
        file = File(*self._file)
        copy([(read, targets[0]) for (read, _), targets in self._pipes], self._end[0], file)
        file.close(FLUSH_SECONDS)
        os._exit(0)


def copy(pairs: List[Tuple[int, int]], end: int, file: "File") -> None:
    """From each first descriptor to its second and to the file, until `end` is closed and nothing is left."""
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
            _write(pair[1], data)
            file.put(data)


class File:
    """A log file that is written by a thread, in parts of `max_bytes` of which the last `files` are kept.

    Its path is below the root, where programs may have left links: none is followed.
    """

    def __init__(self, root: str, path: str, max_bytes: int, files: int) -> None:
        self._root, (self._parent, self._name) = root, os.path.split(path)
        self._max_bytes, self._files = max_bytes, files
        self._waiting: Deque[bytes] = deque()
        self._lock = threading.Condition()
        self._held = self._lost = self._size = 0
        self._closing = self._gap_reported = self._in_line = False
        self._retry_at = 0.0
        self._descriptor = self._folder = -1
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Write this soon; never waits."""
        with self._lock:
            full = self._held + len(data) > BUFFER_BYTES
            if full:
                self._lost += len(data)
            elif data:
                self._waiting.append(data)
                self._held += len(data)
                self._lock.notify()
        if full:
            self._report_gap("does not keep up")

    def close(self, seconds: float) -> None:
        """Write what is left, within this time."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._waiting and not self._closing:
                    self._lock.wait()
                if not self._waiting:
                    return
                data = self._waiting.popleft()
                lost, self._lost = self._lost, 0
            lost = self._put(data, lost)
            with self._lock:
                self._lost += lost
                self._held -= len(data)

    def _put(self, data: bytes, lost: int) -> int:
        """How many bytes are missing now."""
        if time.monotonic() < self._retry_at:
            return lost + len(data)
        try:
            if self._descriptor < 0:
                self._open()
            if lost:
                self._append(b"\n[tensorflow-job: %d bytes are missing here]\n" % lost)
                lost = 0
            while data:
                # A part ends with the line that fills it, wherever that was cut on its way here; or far too late.
                longest = 2 * self._max_bytes - self._size
                if longest <= 0 or (self._size >= self._max_bytes and not self._in_line):
                    self._turn()
                    continue
                end = data.find(b"\n", max(self._max_bytes - self._size - 1, 0), longest) + 1
                head = data[: end or longest]
                self._append(head)
                data = data[len(head) :]
        except OSError as error:
            self._close()
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._report_gap("refuses it: %s" % error.strerror)
        return lost + len(data)

    def _turn(self) -> None:
        """Go on with a new file."""
        os.close(self._descriptor)
        self._descriptor, folder = -1, self._folder
        for number in range(self._files - 1, 0, -1):
            older = self._name + (".%d" % (number - 1) if number > 1 else "")
            with contextlib.suppress(FileNotFoundError):
                os.replace(older, "%s.%d" % (self._name, number), src_dir_fd=folder, dst_dir_fd=folder)
        if self._files == 1:
            os.remove(self._name, dir_fd=folder)
        self._close()
        self._open()

    def _open(self) -> None:
        os.makedirs(self._root, exist_ok=True)
        self._folder = open_folder(self._root, self._parent)
        self._descriptor = open_file(self._folder, self._name, os.O_WRONLY | os.O_APPEND)
        self._size, self._in_line = os.fstat(self._descriptor).st_size, False

    def _append(self, data: bytes) -> None:
        self._in_line = not data.endswith(b"\n")
        while data:
            written = os.write(self._descriptor, data)
            self._size += written
            data = data[written:]

    def _close(self) -> None:
        descriptors = self._descriptor, self._folder
        self._descriptor = self._folder = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def _report_gap(self, why: str) -> None:
        if not self._gap_reported:
            self._gap_reported = True
            _write(2, ("tensorflow-job: the log on the checkpoint volume has gaps: the volume %s. Training goes on; "
                       "the container's own log is complete\n" % why).encode())  # fmt: skip


def _same(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _write(descriptor: int, data: bytes) -> None:
    """All of it, wherever it can still be read."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]
