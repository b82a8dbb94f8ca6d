"""Whether a job's lifecycle, the Kubernetes Job that watches over it, runs; and if not, why."""

from __future__ import annotations

from tfconfig.cluster.exit_codes import describe
from tfconfig.cluster.job_objects import LIFECYCLE, JobObjects, component
from tfconfig.cluster.kubectl import Object
from tfconfig.tensorflow_job.lifecycle.pod_status import UNINFORMATIVE
from tfconfig.tensorflow_job.lifecycle.queues import KUEUE_QUEUE
from tfconfig.tensorflow_job.lifecycle.state import Exit


def lifecycle_message(objects: JobObjects) -> str:
    """Why the lifecycle does not run; empty while it does."""
    name = objects.lifecycle_job
    if not any(job["metadata"]["name"] == name for job in objects.lifecycle_jobs or ()):
        return f"Job {name} does not exist; create it again with helm upgrade"
    suspended = _suspended(objects)
    if suspended:
        return suspended
    failed = _failed(objects)
    if failed:
        return f"Job {name} has failed ({failed.get('reason')}): {failed.get('message', '')}"
    pods = [
        pod
        for pod in component(objects.pods, LIFECYCLE)
        if pod["metadata"]["labels"].get("batch.kubernetes.io/job-name") == name
    ]
    if not pods:
        return f"Job {name} has no pod yet; see why: kubectl describe job/{name}"
    return _pod_message(pods[-1])


def lifecycle_failed(objects: JobObjects) -> bool:
    """Whether the lifecycle's Job has failed, so that nothing writes the status any more."""
    return bool(_failed(objects))


def _failed(objects: JobObjects) -> Object:
    """The condition Failed of the lifecycle's Job."""
    conditions = [
        condition
        for job in objects.lifecycle_jobs or ()
        if job["metadata"]["name"] == objects.lifecycle_job
        for condition in job.get("status", {}).get("conditions") or ()
    ]
    return _true(conditions, "Failed")


def _suspended(objects: JobObjects) -> str:
    """Why the lifecycle's Job may not start; empty where it may."""
    for job in objects.lifecycle_jobs or ():
        if job["metadata"]["name"] == objects.lifecycle_job and (job.get("spec") or {}).get("suspend"):
            queue = (job["metadata"].get("labels") or {}).get(KUEUE_QUEUE)
            by = f"until Kueue admits it to queue {queue}" if queue else "by its spec.suspend"
            return (
                f"Job {objects.lifecycle_job} is suspended {by}; see why: kubectl describe job/{objects.lifecycle_job}"
            )
    return ""


def _true(conditions: list[Object], kind: str) -> Object:
    matches = (item for item in conditions if item.get("type") == kind and item.get("status") == "True")
    return next(matches, {})


def _pod_message(pod: Object) -> str:
    status = pod.get("status", {})
    state: Object = next((item.get("state", {}) for item in status.get("containerStatuses") or ()), {})
    if "running" in state:
        return ""
    conditions = status.get("conditions") or ()
    scheduled: Object = next((item for item in conditions if item.get("type") == "PodScheduled"), {})
    if scheduled.get("status") == "False":
        return f"its pod is waiting: {scheduled.get('reason', '')}: {scheduled.get('message', '')}"
    waiting = state.get("waiting", {})
    if waiting.get("reason", "") not in UNINFORMATIVE:
        return f"its pod is waiting: {waiting['reason']}: {waiting.get('message', '')}"
    if "terminated" in state:
        ended = Exit(state["terminated"]["exitCode"], state["terminated"].get("reason", ""))
        advice = "; raise lifecycle.resources.limits.memory" if ended.reason == "OOMKilled" else ""
        return f"its pod ended: {describe(ended)}{advice}"
    return "its pod is starting"
