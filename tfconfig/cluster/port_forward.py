"""`kubectl port-forward` to a Service of the cluster."""

from __future__ import annotations

import re
from collections.abc import Callable

from tfconfig.cluster.errors import from_stderr
from tfconfig.cluster.kubectl import Kubectl


def forward(kubectl: Kubectl, target: str, port: int, connected: Callable[[int], None]) -> int:
    """Forward a local port (0: a free one) to port 80 of `target` until the connection ends; returns 0.

    `connected` gets the local port, once. Raises ClusterError where it fails.
    """
    reported = False
    with kubectl.start(["port-forward", target, f"{port or ''}:80"]) as process:
        assert process.stdout
        assert process.stderr
        try:
            for line in process.stdout:
                match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", line.decode("utf-8", "replace"))
                if match and not reported:
                    reported = True
                    connected(int(match[1]))
            stderr = process.stderr.read().decode("utf-8", "replace")
        finally:
            process.terminate()
    if process.returncode > 0:
        raise from_stderr(stderr, kubectl.namespace)
    return 0
