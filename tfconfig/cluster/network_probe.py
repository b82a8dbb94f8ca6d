"""`tfconfig doctor --probe-network`: two pods and a policy, for a moment."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, TypeVar

from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.kubectl import Kubectl, Object
from tfconfig.cluster.preflight import network
from tfconfig.cluster.preflight.check import UNKNOWN, Check
from tfconfig.terminal import visible

START_SECONDS = 60.0
_POLL_SECONDS = 0.5

T = TypeVar("T")


class _FailedError(Exception):
    """The probe cannot say anything; the message has the reason."""


def probe(kubectl: Kubectl, lifecycle: Object) -> Check:
    """Whether anything enforces NetworkPolicies in the namespace of `kubectl`.

    `lifecycle`: the pod of the job's lifecycle. What is created is deleted again, also after an error or Ctrl-C.
    """
    name = f"tfconfig-probe-{secrets.token_hex(4)}"
    listener, policy = network.listener(name, lifecycle), network.policy(name)
    created: list[Object] = []
    with _terminated_like_interrupted():
        try:
            _create(kubectl, policy, created)
            _create(kubectl, listener, created)
            address = _wait(kubectl, listener, _address)
            connector = network.connector(name, lifecycle, address)
            _create(kubectl, connector, created)
            return network.verdict(_wait(kubectl, connector, _exit_status, START_SECONDS + 30))
        except (_FailedError, ClusterError) as error:
            text = error.message if isinstance(error, ClusterError) else str(error)
            return Check(network.CHECK, UNKNOWN, f"the probe failed: {text}")
        finally:
            _delete(kubectl, created)


def _create(kubectl: Kubectl, item: Object, created: list[Object]) -> None:
    created.append(item)  # before the request: it may be carried out though its answer is lost
    result = kubectl.send(["create", "-o", "name"], [item])
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        raise _FailedError(visible(lines[-1] if lines else "kubectl create failed"))


def _delete(kubectl: Kubectl, created: list[Object]) -> None:
    if created:
        with suppress(ClusterError):
            kubectl.send(["delete", "--ignore-not-found", "--wait=false", "--now"], created)


def _wait(kubectl: Kubectl, pod: Object, reader: Callable[[Object], T | None], seconds: float = START_SECONDS) -> T:
    """What is found in a pod, once it is there."""
    name, until = pod["metadata"]["name"], time.monotonic() + seconds
    while True:
        status = kubectl.item("pods", name).get("status", {})
        value = reader(status)
        if value is not None:
            return value
        if time.monotonic() > until:
            raise _FailedError(f"pod {name} did not {_STEPS[reader]} within {seconds:.0f} s{_why(status)}")
        time.sleep(_POLL_SECONDS)


def _address(status: Object) -> str | None:
    if status.get("phase") in ("Succeeded", "Failed"):
        raise _FailedError(f"the pod that listens ended{_why(status)}; check lifecycle.image")
    return status.get("podIP") if status.get("phase") == "Running" else None


def _exit_status(status: Object) -> int | None:
    for container in status.get("containerStatuses", ()):
        ended = container.get("state", {}).get("terminated")
        if ended and container["name"] == "probe":
            return int(ended["exitCode"])
    return None


_STEPS: dict[Callable[[Object], Any], str] = {_address: "start", _exit_status: "end"}


def _why(status: Object) -> str:
    """Kubernetes' reason, if it gives one."""
    states = [container.get("state", {}) for container in status.get("containerStatuses", ())]
    waiting = [state["waiting"] for state in states if state.get("waiting")]
    refused = [item for item in status.get("conditions", ()) if item.get("status") == "False"]
    for item in [*waiting, *refused, status]:
        if item.get("message") or item.get("reason"):
            return f": {visible(item.get('message') or item['reason'])}"
    return ""


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM, too, ends the probe only after it has deleted what it created."""

    def interrupt(_: int, __: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
