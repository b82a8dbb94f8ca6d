"""Files where a program may leave anything: a named pipe that waits for ever, a device without an end. Python 3.6."""

import contextlib
import errno
import os
import stat
from typing import Tuple


def read(path: str, limit: int) -> Tuple[bytes, float]:
    """The first bytes of a regular file, and when it was written. Never waits. Raises OSError, also for all else."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return os.read(file, limit), status.st_mtime
    finally:
        os.close(file)


def write(path: str, text: str) -> None:
    """A new file in place of whatever is there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "w", encoding="utf-8"
    ) as file:
        file.write(text)
