"""Who asked the API server for what, counted from its own log.

At verbosity 3 the API server logs each request with its verb, path and user agent; the level can be set while it runs.
"""

from __future__ import annotations

import re
from collections import Counter
from types import TracebackType
from typing import NamedTuple

from hack.cluster.api import Api
from hack.cluster.processes import log_file

OURS = "tensorflow-job"
WRITES = ("POST", "PUT", "PATCH", "DELETE")

_LINE = re.compile(r'"HTTP" verb="(\w+)" URI="([^"]+)".*? userAgent="([^"]*)"')
_PATH = re.compile(r"/(?:api|apis/[^/]+)/[^/]+/namespaces/([^/?]+)/([^/?]+)(?:/[^/?]+)?(?:/([^/?]+))?")


class Request(NamedTuple):
    """A kind of request."""

    client: str
    verb: str
    resource: str
    """Plural, with the subresource: `statefulsets/scale`."""


class Requests:
    """Counts the requests for objects of a namespace while it is open."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._log = log_file("kube-apiserver").open(errors="replace")

    def __enter__(self) -> Requests:
        set_verbosity(3)
        self._log.seek(0, 2)
        self._counts: Counter[Request] = Counter()
        self._rest = ""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        set_verbosity(0)
        self._log.close()

    def counts(self) -> Counter[Request]:
        """All so far. A watch is logged when it ends."""
        *lines, self._rest = (self._rest + self._log.read()).split("\n")
        for line in lines:
            parsed = parse(line)
            if parsed and parsed[0] == self._namespace:
                self._counts[parsed[1]] += 1
        return Counter(self._counts)


def parse(line: str) -> tuple[str, Request] | None:
    """The namespace and the kind of request of a line of the log; None for other lines."""
    match = _LINE.search(line)
    path = _PATH.match(match[2]) if match else None
    if not match or not path:
        return None
    resource = path[2] + (f"/{path[3]}" if path[3] else "")
    # "kube-controller-manager/v1.35.4 (linux/amd64) …/statefulset-controller", "Go-http-client/1.1", "tensorflow-job"
    return path[1], Request(match[3].partition("/")[0], match[1], resource)


def of(client: str, counts: Counter[Request]) -> dict[str, int]:
    """The requests of one client: `PATCH configmaps` -> how many, the most frequent first."""
    return {f"{kind.verb} {kind.resource}": n for kind, n in counts.most_common() if kind.client == client}


def writes(counts: Counter[Request]) -> int:
    """Requests that change something, of all clients."""
    return sum(n for kind, n in counts.items() if kind.verb in WRITES)


def set_verbosity(level: int) -> None:
    """How much the API server logs; 0 is its default."""
    Api().text("PUT", "/debug/flags/v", level)
