"""What a program prints, also kept in a file on the checkpoint volume (`logs.persist`). Python 3.6.

A thread of the copying process (output.py) writes the file. Before it is a buffer with a limit: a volume that is full,
slow or hangs loses lines in the file, which is reported once, and never holds up the program.
"""

import contextlib
import os
import threading
import time
from collections import deque
from typing import Deque

from .folders import open_file, open_folder
from .output import write_line

BUFFER_BYTES = 4 * 1024 * 1024
RETRY_SECONDS = 10.0  # between tries at a volume that refused


class File:
    """A log file that is written by a thread, in parts of `max_bytes` of which the last `files` are kept.

    Its path is below the root, where programs may have left links: none is followed. `reports`: whether a gap is
    reported in the output, too.
    """

    def __init__(self, root: str, path: str, max_bytes: int, files: int, reports: bool = True) -> None:
        self._root, (self._parent, self._name) = root, os.path.split(path)
        self._max_bytes, self._files = max_bytes, files
        self._waiting: Deque[bytes] = deque()
        self._lock = threading.Condition()
        self._held = self._lost = self._size = 0
        self._closing = self._in_line = False
        self._gap_reported = not reports
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
                    break
                data = self._waiting.popleft()
                lost, self._lost = self._lost, 0
            lost = self._put(data, lost)
            with self._lock:
                self._lost += lost
                self._held -= len(data)
        self._close()

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
            write_line(
                "the log on the checkpoint volume has gaps: the volume %s. "
                "Training goes on; the container's own log is complete" % why
            )
