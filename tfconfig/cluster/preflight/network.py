"""Whether anything enforces NetworkPolicies: the objects of a probe, and what its outcome means. Pure.

One pod listens on two ports, of which a policy opens one. The other pod connects to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfconfig.cluster.preflight.check import OK, UNKNOWN, WARNING, Check, Object

CHECK = "network policies"
SECONDS = 120  # the pods end by themselves then, whatever became of the tool
OPEN, CLOSED = 8081, 8080
ENFORCED, NOT_ENFORCED, UNREACHABLE = 0, 10, 11  # exit statuses of the pod that connects
_PROBE_LABEL = "tfconfig/probe"
_OF_THE_JOB = ("tensorflow-job/", "app.kubernetes.io/", "helm.sh/")

_LISTEN = f"""
import socket, time
family, both = (socket.AF_INET6, True) if socket.has_dualstack_ipv6() else (socket.AF_INET, False)
options = dict(family=family, backlog=500, dualstack_ipv6=both)
ports = [socket.create_server(("", port), **options) for port in ({OPEN}, {CLOSED})]
time.sleep({SECONDS})
"""
# A network takes a moment to learn of a policy, and a forbidden connection fails by a timeout.
_CONNECT = f"""
import socket, sys, time
def opens(port):
    try:
        socket.create_connection((sys.argv[1], port), 4).close()
    except OSError:
        return False
    return True
reached, until = False, time.monotonic() + 20
while time.monotonic() < until:
    if opens({OPEN}):
        reached = True
        if not opens({CLOSED}) and opens({OPEN}):
            sys.exit({ENFORCED})
    time.sleep(0.5)
sys.exit({NOT_ENFORCED} if reached else {UNREACHABLE})
"""


def policy(name: str) -> dict[str, Any]:
    """The policy: of the pods of this probe nothing but one port can be reached."""
    spec = {
        "podSelector": {"matchLabels": {_PROBE_LABEL: name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"port": OPEN, "protocol": "TCP"}]}],
        "egress": [{}],
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


def listener(name: str, lifecycle: Object) -> dict[str, Any]:
    """The pod that listens; `lifecycle` is the pod of the job's lifecycle, whose image and settings it has."""
    return _pod(name, "listen", lifecycle, [_LISTEN])


def connector(name: str, lifecycle: Object, address: str) -> dict[str, Any]:
    """The pod that connects to that address."""
    return _pod(name, "connect", lifecycle, [_CONNECT, address])


def verdict(exit_status: int) -> Check:
    """What the exit status of the pod that connects means."""
    if exit_status == ENFORCED:
        return Check(CHECK, OK, "enforced: a connection that a policy forbids failed")
    if exit_status == NOT_ENFORCED:
        message = "nothing enforces NetworkPolicies here: any pod of this cluster can run code in the job's pods"
        fix = "use a network plugin that enforces them, or values/mesh.yaml; see SECURITY.md"
        return Check(CHECK, WARNING, message, fix)
    if exit_status == UNREACHABLE:
        message = "unknown: two pods of the namespace do not reach each other where a policy lets them"
        return Check(CHECK, UNKNOWN, message, "look for policies of your network plugin, or of a mesh")
    return Check(CHECK, UNKNOWN, f"the probe's pod failed with exit status {exit_status}", "check lifecycle.image")


def _pod(name: str, part: str, lifecycle: Object, program: Sequence[str]) -> dict[str, Any]:
    metadata, spec = lifecycle["metadata"], lifecycle["spec"]
    (container,) = (item for item in spec["containers"] if item["name"] == "lifecycle")
    labels = {key: text for key, text in metadata.get("labels", {}).items() if not key.startswith(_OF_THE_JOB)}
    kept = ("imagePullSecrets", "nodeSelector", "tolerations", "affinity", "priorityClassName", "securityContext")
    probe = {
        key: container[key] for key in ("image", "imagePullPolicy", "resources", "securityContext") if key in container
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{part}",
            "labels": {**labels, _PROBE_LABEL: name},
            "annotations": metadata.get("annotations", {}),
        },
        "spec": {
            **{key: spec[key] for key in kept if key in spec},
            "containers": [{**probe, "name": "probe", "command": ["python3", "-c", *program]}],
            "activeDeadlineSeconds": SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
        },
    }
