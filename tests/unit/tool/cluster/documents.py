"""Documents as a cluster has them, for tests of what is made of them; status.json comes from the lifecycle's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from tests.unit.job_specs import a_job
from tests.unit.lifecycle.pod_documents import container, unscheduled
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.kubectl import Object
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.state import Pod, PodStatus, State
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import Task

NOW = 1_800_000_000.0
RUN = "0123456789"
CONTROLLER = "digits-lifecycle-abcdef01"


def time(seconds: float) -> str:
    """As Kubernetes writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def job_spec(**replicas: int) -> JobSpec:
    """job.json of `digits`; without replicas, of a chief, two workers and a parameter server."""
    return a_job(run_id=RUN, **replicas or {"chief": 1, "worker": 2, "ps": 1})  # type: ignore[arg-type]


def pod(task: str, node: str = "node1", run_id: str = RUN, restarts: int = 0, **more: Any) -> Object:
    """A training pod: running, unless a state, last state or other status is given."""
    role = task.rpartition("-")[0]
    state = more.pop("state", {"running": {"startedAt": time(NOW - 60)}})
    main = container(state, more.pop("last", {}).get("terminated"), restarts)
    metadata: Object = {
        "name": f"digits-{task}",
        "uid": f"uid-{task}",
        "creationTimestamp": time(NOW - 60),
        "labels": {
            "app.kubernetes.io/component": "training",
            "tensorflow-job/role": role,
            "tensorflow-job/run-id": run_id,
        },
    }
    if "deleted" in more:
        metadata["deletionTimestamp"] = time(more.pop("deleted"))
    shown = {"phase": "Running", "containerStatuses": [main], **more}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": shown}


def exited(code: int, reason: str = "Error", message: str = "") -> Object:
    """A container that has ended."""
    ended = {"exitCode": code, "reason": reason, "message": message, "finishedAt": time(NOW - 5)}
    return {"terminated": ended}


def unschedulable(why: str) -> dict[str, Any]:
    """More status of a pod that no node takes."""
    return {"phase": "Pending", "conditions": [unscheduled(why)], "state": {}, "node": ""}


def lifecycle_pod(state: Object | None = None) -> Object:
    """The lifecycle's pod."""
    labels = {"app.kubernetes.io/component": "lifecycle", "batch.kubernetes.io/job-name": CONTROLLER}
    main = container(state or {"running": {}}, name="lifecycle")
    metadata = {"name": f"{CONTROLLER}-x", "uid": "l", "labels": labels, "creationTimestamp": time(NOW - 60)}
    return {"metadata": metadata, "spec": {}, "status": {"containerStatuses": [main]}}


def documents(
    state: State | None,
    pods: list[Object] | None = None,
    more: Mapping[str, Any] | None = None,
    run_id: str = RUN,
    job: JobSpec | None = None,
    jobs: list[Object] | None = None,
) -> JobObjects:
    """All of a job; `more` is laid over status.json, which is absent without a state."""
    job = job or job_spec()
    seen: dict[Task, Pod] = {}
    for document in pods or []:
        name = document["metadata"]["name"].removeprefix("digits-")
        role, _, index = name.rpartition("-")
        main = document["status"]["containerStatuses"][0]
        pod_status: PodStatus = "Running" if "running" in main["state"] else "Waiting"
        seen[Task(role, int(index))] = Pod(
            Task(role, int(index)), name, RUN, NOW - 60, pod_status, restarts=main["restartCount"]
        )
    data = (
        {}
        if state is None
        else {"status.json": json.dumps({**json.loads(status.dump(job, state, seen)), **(more or {})})}
    )
    metadata = {
        "name": "digits-status",
        "namespace": "team",
        "labels": {"app.kubernetes.io/instance": "digits"},
        "annotations": {"tensorflow-job/run-id": run_id, "tensorflow-job/controller": CONTROLLER},
    }
    controller = {"metadata": {"name": CONTROLLER}, "status": {}}
    every = [*(pods or []), lifecycle_pod()]
    return JobObjects({"metadata": metadata, "data": data}, job, every, [controller] if jobs is None else jobs)
