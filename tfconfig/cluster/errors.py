"""What goes wrong between the tool and a cluster: each error is one sentence, with what to do."""

from __future__ import annotations

import os
import re

import click

from tfconfig.terminal import visible


class ClusterError(click.ClickException):
    """kubectl or the cluster failed. The command exits 2."""

    exit_code = 2


class ForbiddenError(ClusterError):
    """The user has no permission."""


class NotFoundError(ClusterError):
    """The object or its namespace does not exist."""


class UnreachableError(ClusterError):
    """No Kubernetes API answers."""


class ApiError(ClusterError):
    """The API server answers with another error."""


def cannot_start(error: OSError) -> ClusterError:
    """kubectl is not installed, or cannot be executed."""
    if isinstance(error, FileNotFoundError):
        return ClusterError("kubectl is not on PATH; install it: https://kubernetes.io/docs/tasks/tools/")
    return ClusterError(f"kubectl cannot be started: {error.strerror}; repair its installation")


def malformed(error: Exception) -> ClusterError:
    """What kubectl printed is not what a Kubernetes API server answers."""
    return ApiError(f"the answer of the cluster is malformed: {visible(str(error))}; check what your context leads to")


def from_stderr(stderr: str, namespace: str = "") -> ClusterError:
    """The error that kubectl wrote, as one sentence with what to do."""
    # Before the last line come lines of its own log, and advice of login plugins.
    lines = [visible(line) for line in stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else "kubectl failed without an error message"
    unreadable = re.search(r"error loading config file \"([^\"]+)\": (.*)", last)
    if unreadable:
        return ClusterError(
            f"kubectl cannot read its configuration {unreadable[1]} ({unreadable[2]}); correct the file, or KUBECONFIG"
        )
    if "(Forbidden)" in last:
        return _forbidden(last, namespace)
    if "the server could not find the requested resource" in last:
        # Without a configuration kubectl tries localhost:8080, where anything may listen.
        return UnreachableError(
            "the server that answers is not a Kubernetes API server; set KUBECONFIG, or choose a cluster with --context"
        )
    if "(NotFound)" in last:
        return NotFoundError(last.partition(": ")[2])
    if re.search(r'context "?[^ "]+"? does not exist|context was not found', last):
        return ClusterError(f"{last.removeprefix('error: ')}; list the contexts: kubectl config get-contexts")
    # EOF: the context has no user, so kubectl asks for a name on standard input, which is closed.
    if re.search(
        r"^error: EOF$|Unauthorized|must be logged in|provide credentials|getting credentials|executable .* not found",
        stderr,
    ):
        return ClusterError(f"the cluster rejects your credentials ({last.removeprefix('error: ')}); log in again")
    missing = _missing_kubeconfig()
    if missing and ("localhost:8080" in last or "no configuration has been provided" in last):
        return UnreachableError(f"KUBECONFIG names {missing}, which does not exist; correct it, or unset it")
    if "localhost:8080" in last or "no configuration has been provided" in last:
        return UnreachableError("no cluster is configured for kubectl; set KUBECONFIG, or choose one with --context")
    if re.search(r"connection to the server|Unable to connect|no such host|timeout|timed out|unreachable|EOF", last):
        reason = last.removeprefix("Unable to connect to the server: ").partition(" - did you")[0]
        return UnreachableError(f"the cluster does not answer ({reason}); check the network, and --context")
    return ApiError(last)


def _missing_kubeconfig() -> str:
    """The files that KUBECONFIG names, where none of them exists; else ""."""
    files = [file for file in os.environ.get("KUBECONFIG", "").split(os.pathsep) if file]
    return "" if any(map(os.path.exists, files)) else " and ".join(map(visible, files))


def _forbidden(line: str, namespace: str) -> ForbiddenError:
    match = re.search(r'cannot (\w+) resource "([^"]+)"', line)
    denied = f"to {match[1]} {match[2]}" if match else "for that"
    scope = f"in namespace {namespace}" if "in the namespace" in line else "in the whole cluster"
    return ForbiddenError(
        f"no permission {denied} {scope}; ask the administrator for get, list and watch of pods, configmaps and jobs, "
        "and get of pods/log, or choose another --namespace or --context"
    )
