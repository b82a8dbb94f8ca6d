"""Folders on volumes that others write to as well: no symbolic link in them is followed. Python 3.6.

A link that another program left would lead what is written elsewhere, into the folder of another job say.
"""

import contextlib
import os
import signal
import time
from typing import List

from .log import log

POLL_SECONDS = 1.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def open_folder(root: str, path: str, make: bool = True) -> int:
    """A descriptor of a folder below the root, made where it is missing. Raises OSError, also where a link is."""
    here = os.open(root, _FOLDER)
    for name in filter(None, path.split("/")):
        outer = here
        try:
            here = _step(outer, name, make)
        finally:
            os.close(outer)
    return here


def _step(outer: int, name: str, make: bool) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=outer)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):  # another task was faster
        os.mkdir(name, dir_fd=outer)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=outer)


def open_file(folder: int, name: str, flags: int) -> int:
    """A descriptor of a file in this folder, made where it is missing. Raises OSError, also where a link is."""
    return os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, 0o644, dir_fd=folder)


def main(arguments: List[str]) -> int:
    """`make VOLUME FOLDER` makes the job's folder on a shared volume; `await VOLUME FOLDER` waits until it is there.

    An init container does so, because Kubernetes itself would make the folder as root, whom it then belongs to.
    """
    mode, volume, path = arguments
    signal.signal(signal.SIGTERM, signal.SIG_DFL if os.getpid() != 1 else lambda *_: os._exit(143))
    logged = False
    while True:
        try:
            os.close(open_folder(volume, path, make=mode == "make"))
        except FileNotFoundError:
            if not logged:
                log("waiting until a task of the job makes the folder %s on the checkpoint volume" % path)
            logged = True
        except OSError as error:
            log(
                "cannot open or make the folder %s on the checkpoint volume: %s. The volume must be writable for user "
                "%d, and no part of the path may be a symbolic link" % (path, error.strerror, os.getuid())
            )
            return 1
        else:
            return 0
        time.sleep(POLL_SECONDS)
