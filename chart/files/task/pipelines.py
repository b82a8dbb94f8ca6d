"""Stop a program of several processes without taking the reader from one that still prints. Linux; Python 3.6.

In `train.py | tee log` a SIGTERM for all ends `tee` at once, and what the program prints while it saves fails: broken
pipe. So a process whose input another one prints gets the signal after that one has ended, unless it ends by itself.
"""

import contextlib
import os
import time
from typing import Dict, Iterable, Iterator, Optional, Set, Tuple

END_SECONDS = 1.0  # for a reader to end by itself once nobody prints into its pipe


class Stopping:
    """The processes that still have to get the signal."""

    def __init__(self) -> None:
        self._waiting: Dict[int, Optional[float]] = {}  # and since when nobody prints for them
        self._number = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def begin(self, groups: Set[int], number: int) -> None:
        """Send the signal to all of these process groups but the readers."""
        members = {pid: group for pid, group, _ in living() if group in groups}
        self._waiting, self._number = dict.fromkeys(readers(members)), number
        split = {members[pid] for pid in self._waiting}
        for group in groups - split:
            with contextlib.suppress(OSError):  # none left, or only those that changed their user
                os.killpg(group, number)
        for pid, group in members.items():
            if group in split and pid not in self._waiting:
                _send(pid, number)

    def go_on(self, groups: Set[int]) -> None:
        """Send it to readers for which nobody prints any more."""
        members, now = {pid for pid, group, _ in living() if group in groups}, time.monotonic()
        still = readers(members)
        for pid, since in list(self._waiting.items()):
            if pid not in members:
                del self._waiting[pid]
            elif pid in still:
                continue
            elif since is None:
                self._waiting[pid] = now
            elif now - since >= END_SECONDS:
                del self._waiting[pid]
                _send(pid, self._number)


def living() -> Iterator[Tuple[int, int, int]]:
    """Each process that runs, its process group and its session."""
    with contextlib.suppress(FileNotFoundError):  # not on Linux
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # gone meanwhile
                with open("/proc/%s/stat" % pid) as file:
                    state, _, group, session = file.read().rpartition(")")[2].split()[:4]
                if state not in "ZX":
                    yield int(pid), int(group), int(session)


def own_session() -> Iterator[Tuple[int, int]]:
    """Each process of this one's session and its process group; none where others that are no part of it share that."""
    if os.getsid(0) == os.getpid() and shows_this_namespace():
        yield from ((pid, group) for pid, group, session in living() if session == os.getpid())


def shows_this_namespace() -> bool:
    """Whether the numbers in /proc are those that this process knows."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def readers(pids: Iterable[int]) -> Set[int]:
    """Those of these processes whose input is a pipe that is the output of another one of them."""
    inputs, printed = {}, set()
    for pid in pids:
        inputs[pid] = _pipe(pid, 0)
        printed |= {_pipe(pid, number) for number in (1, 2)} - {inputs[pid]}
    return {pid for pid, pipe in inputs.items() if pipe and pipe in printed}


def _pipe(pid: int, number: int) -> str:
    try:
        target = os.readlink("/proc/%d/fd/%d" % (pid, number))
    except OSError:
        return ""
    return target if target.startswith("pipe:") else ""


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)
