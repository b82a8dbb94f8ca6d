"""Processes that outlive their task. In a pod the kernel ends them; on Linux this does it for local runs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PROC = Path("/proc")


def adopt() -> None:
    """From now on orphans among this process's descendants become its children. On Linux only."""
    if (_PROC / "self/stat").exists():
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill(tasks: Iterable[int]) -> None:
    """Kill every child of this process that is not one of `tasks` (process ids), with all its descendants."""
    children = _children()
    keep = set(tasks)
    doomed = [pid for pid in children.get(os.getpid(), []) if pid not in keep]
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        doomed += children.get(pid, [])


def _children() -> dict[int, list[int]]:
    """Process ids by parent, of everything that runs (proc(5): the fourth field of stat, after the name's brackets)."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    return children
