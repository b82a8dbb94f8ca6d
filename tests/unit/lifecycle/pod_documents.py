"""Pods as the API server shows them, in parts."""

from __future__ import annotations

from typing import Any

from tfconfig.tensorflow_job.lifecycle.state import Exit
from tfconfig.tensorflow_job.task.messages import WORKED

NOW = 1_800_000_000.0
ENDED = "2026-05-09T07:30:00Z"
ENDED_SECONDS = 1_778_311_800.0


def document(status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A pod of task worker-3, with an init container `fetch` and a sidecar `mesh`."""
    return {
        "metadata": {
            "name": "mnist-worker-3",
            "uid": "u",
            "creationTimestamp": "2026-05-09T07:29:33Z",
            "labels": {"tensorflow-job/role": "worker", "tensorflow-job/run-id": "r1", "tensorflow-job/job": "mnist"},
            **metadata,
        },
        "spec": {
            "nodeName": "node-7",
            "initContainers": [{"name": "mesh", "restartPolicy": "Always"}, {"name": "fetch"}],
            "containers": [{"name": "tensorflow"}],
        },
        "status": status,
    }


def container(
    state: dict[str, Any], last: dict[str, Any] | None = None, restarts: int = 0, **more: Any
) -> dict[str, Any]:
    return {
        "name": "tensorflow",
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
        **more,
    }


def terminated(code: int, number: int = 0, **more: Any) -> dict[str, Any]:
    reason = "Completed" if code == 0 else "Error"
    return {"exitCode": code, "reason": reason, "finishedAt": ENDED, "containerID": f"containerd://{number}", **more}


RUNNING = {"running": {"startedAt": ENDED}}
SIDECAR = {"name": "proxy", "restartCount": 4, "state": {"terminated": terminated(1)}, "lastState": {}}
NO_PYTHON = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "python3": executable file not found in $PATH: unknown'
)
SAVED = f"Traceback (most recent call last):\n  File\nValueError: x\ntensorflow-job: worker-3 exited 1; {WORKED}\n"
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 1, in <module>\nValueError: bad shape\n'


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def unscheduled(message: str, reason: str = "Unschedulable") -> dict[str, Any]:
    """The condition of a pod without a node."""
    return {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}


def back_off(text: str) -> str:
    return f"back-off {text} restarting failed container=tensorflow pod=mnist-worker-3_default(u)"


def init(
    state: dict[str, Any], last: dict[str, Any] | None = None, restarts: int = 0, name: str = "fetch", **more: Any
) -> dict[str, Any]:
    status = {**container(state, last, restarts), "name": name, **more}
    return {"initContainerStatuses": [status], "containerStatuses": [container(waiting("PodInitializing"))]}


def exited(code: int, reason: str = "", message: str = "") -> Exit:
    return Exit(code, reason or ("Completed" if code == 0 else "Error"), message, ENDED_SECONDS)
