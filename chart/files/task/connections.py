"""Which other tasks this one was ever connected to, over TensorFlow's port of either. Python 3.6.

The kernel's tables show the connections of the pod. They are looked at whenever the lifecycle asks for progress: a
program that trains with others keeps its connections for as long as it runs. What is not sure is not reported.
"""

import _socket
import struct
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Set

from . import silent
from .job_spec import Task, address, name, tasks

if TYPE_CHECKING:
    from .contracts import JobSpec

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ENOUGH_LOOKS = 6  # a minute: before that, seeing none, or not all, means nothing
MAX_NAMES = 3  # of a termination message that is cut
_ESTABLISHED = "01"


class Connections:
    """What was seen so far."""

    def __init__(self, port: int, tables: Sequence[str] = TABLES) -> None:
        self._port, self._tables = "%04X" % port, tables
        self._looks = 0  # since the first connection was seen
        self._remotes: Set[str] = set()

    def look(self) -> None:
        """Look once more."""
        none_before = not self._remotes
        for table in self._tables:
            try:
                with open(table) as lines:
                    next(lines, None)
                    for line in lines:
                        self._take(line.split())
                    self._looks += 1
            except OSError:  # no IPv6; or no Linux, where nothing is known
                continue
        if none_before and self._remotes:
            self._looks = 0

    def report(self, job: "JobSpec", task: Task) -> Dict[str, Any]:
        """What a program that exited 0 says of its connections; nothing where all is well, or not known."""
        if self._looks < ENOUGH_LOOKS * len(self._tables) or not peers(job, task):
            return {}
        hosts = {_address(remote) for remote in self._remotes}
        if not hosts:
            return {"unconnected": True}
        from . import checkpoints

        return checkpoints.ask(lambda: unreached(job, task, hosts))

    def _take(self, row: List[str]) -> None:
        (local, port), (remote, remote_port) = row[1].split(":"), row[2].split(":")
        if row[3] == _ESTABLISHED and local != remote and self._port in (port, remote_port):
            self._remotes.add(remote)


def peers(job: "JobSpec", task: Task) -> List[Task]:
    """The tasks that this one has to be connected to, sooner or later, if its program trains with them.

    Built-in servers do nothing by themselves. In MultiWorkerMirrored every worker registers with the leading one; what
    another worker still sees when that one is done says nothing. Custom programs may talk as they like.
    """
    if job["strategy"] == "MultiWorkerMirrored":
        training = [peer for peer in tasks(job) if peer.role != "evaluator"]
        return training[1:] if training[:1] == [task] else []
    return [peer for peer in tasks(job) if peer.role in job["servers"]]


def unreached(job: "JobSpec", task: Task, hosts: Set[str]) -> Dict[str, Any]:
    """For the report of a program that was seen connected to `hosts`: those of its peers that are not among them.

    Looks names up, which may take long. Nothing where a host, or a name, is no task's (any more): a pod may have got
    another address, and a proxy hides who is connected.
    """
    addresses = {peer: _lookup(address(job, peer)) for peer in tasks(job) if peer.role != "evaluator"}
    if not hosts.issubset(host for known in addresses.values() for host in known):
        return {}
    missing = [peer for peer in peers(job, task) if not addresses[peer] & hosts]
    if not missing or not all(addresses[peer] for peer in missing):
        return {}
    return {"unreached": [name(peer) for peer in missing[:MAX_NAMES]], "unreachedCount": len(missing)}


def _lookup(where: str) -> Set[str]:
    try:
        results = _socket.getaddrinfo(where.rpartition(":")[0].strip("[]"), None, 0, _socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(item[4][0]) for item in results}


def _address(hexadecimal: str) -> str:
    """An address of the kernel's table: words in the machine's own byte order."""
    numbers = [int(hexadecimal[at : at + 8], 16) for at in range(0, len(hexadecimal), 8)]
    family = _socket.AF_INET if len(numbers) == 1 else _socket.AF_INET6
    return silent.address(family, struct.pack("=%dI" % len(numbers), *numbers))
