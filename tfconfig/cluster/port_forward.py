"""`kubectl port-forward` to a Service of the cluster."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable

from tfconfig.cluster.errors import from_stderr
from tfconfig.cluster.kubectl import Kubectl

_LAST_LINES = 20  # of stderr, where kubectl writes a line or more for each connection that fails


def forward(kubectl: Kubectl, target: str, port: int, connected: Callable[[int], None]) -> int:
    """Forward a local port (0: a free one) to port 80 of `target` until the connection ends; returns 0.

    `connected` gets the local port, once. Raises ClusterError where it fails.
    """
    reported = False
    with kubectl.start(["port-forward", target, f"{port or ''}:80"]) as process:
        assert process.stdout
        assert process.stderr
        last = deque[bytes](maxlen=_LAST_LINES)
        # Beside stdout: kubectl stops when a pipe is full that nobody reads.
        reader = threading.Thread(target=last.extend, args=[process.stderr])
        reader.start()
        try:
            for line in process.stdout:
                match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", line.decode("utf-8", "replace"))
                if match and not reported:
                    reported = True
                    connected(int(match[1]))
            reader.join()  # before a kubectl that is about to fail is terminated
        finally:
            process.terminate()
            reader.join()
    if process.returncode > 0:
        raise from_stderr(b"".join(last).decode("utf-8", "replace"), kubectl.namespace)
    return 0
