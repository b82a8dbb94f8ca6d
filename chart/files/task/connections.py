"""Whether this task was ever connected to another one's TensorFlow server, or another one to its own. Python 3.6.

The kernel's tables show the connections of the pod. They are looked at whenever the lifecycle asks for progress, until
one was seen: a program that trains with others keeps its connections for as long as it runs.
"""

from typing import List, Sequence

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ENOUGH_LOOKS = 6  # a minute: before that, seeing none means nothing
_ESTABLISHED = "01"


class Connections:
    """What was seen so far."""

    def __init__(self, port: int, tables: Sequence[str] = TABLES) -> None:
        self._port, self._tables = "%04X" % port, tables
        self._seen, self._looks = False, 0

    def look(self) -> None:
        """Look once more, while none was seen."""
        if self._seen:
            return
        for table in self._tables:
            try:
                with open(table) as lines:
                    next(lines, None)
                    self._seen = self._seen or any(self._is_connection(line.split()) for line in lines)
                    self._looks += 1
            except OSError:  # no IPv6; or no Linux, where nothing is known
                continue

    @property
    def none_seen(self) -> bool:
        """Whether none was seen, in enough looks."""
        return not self._seen and self._looks >= ENOUGH_LOOKS * len(self._tables)

    def _is_connection(self, row: List[str]) -> bool:
        (local, port), (remote, remote_port) = row[1].split(":"), row[2].split(":")
        return row[3] == _ESTABLISHED and local != remote and self._port in (port, remote_port)
