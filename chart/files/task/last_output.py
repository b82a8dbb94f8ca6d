"""What a task printed last, for a pod that is kept after the end (`cleanup`). Python 3.6.

Its container is started again, to park, and kubectl logs shows that one: so it prints the last lines once more.
"""

import contextlib
import os
from typing import TYPE_CHECKING

from . import files
from .output import write, write_line

if TYPE_CHECKING:
    from .kept_log import File

AGAIN = "its last lines, as kubectl logs --previous shows them:"
FOLDER, FILE = "last-output", "log"
PART_BYTES, PARTS = 64 * 1024, 2
LINES = 200  # fewer than the lifecycle reads (summary.py): it looks for the line before them


def forget(state: str) -> None:
    """Another program begins."""
    for part in (FILE + ".1", FILE):
        with contextlib.suppress(OSError):
            os.remove(os.path.join(state, FOLDER, part))


def sink(state: str) -> "File":
    """Keeps the end of what the program prints in the pod's own folder."""
    from .kept_log import File

    return File(state, os.path.join(FOLDER, FILE), PART_BYTES, PARTS, reports=False)


def show(state: str) -> None:
    """Print it once more, to one stream, which keeps the order; nothing where there is nothing."""
    data = b""
    for part in (FILE + ".1", FILE):
        with contextlib.suppress(OSError):
            data += files.read(os.path.join(state, FOLDER, part), 2 * PART_BYTES)[0]
    lines = data.splitlines(True)[-LINES:]
    if not lines:
        return
    write_line(AGAIN)
    text = b"".join(lines)
    write(2, text if text.endswith(b"\n") else text + b"\n")
