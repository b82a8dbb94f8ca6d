"""What a job and its tasks do, derived from the objects in the cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfconfig.cluster import exit_codes
from tfconfig.cluster.job_objects import RELEASE_LABEL, TRAINING, JobObjects, component, parse_status
from tfconfig.cluster.kubectl import Object
from tfconfig.cluster.lifecycle_health import lifecycle_message
from tfconfig.tensorflow_job.lifecycle import observe
from tfconfig.tensorflow_job.lifecycle.decide import SILENT_SECONDS
from tfconfig.tensorflow_job.lifecycle.state import FAILED, PENDING, SUCCEEDED, SUSPENDED, Exit, Pod
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import JobSpec, Task, parse_ranges

TERMINAL = (SUCCEEDED, FAILED)
NO_POD = "NoPod"


@dataclass(frozen=True)
class TaskView:
    """One task.

    `state` is that of its pod: Running, Waiting, Ended, Terminating, Lost (its node does not answer), OldRun (of
    another run) or NoPod; or what became of the task: Succeeded, Failed, Freed (its pod was deleted), Suspended.
    """

    role: str
    index: int
    state: str
    message: str = ""  # why it does not run, in Kubernetes' words
    node: str = ""
    restarts: int = 0
    last_exit: Exit | None = None
    last_line: str = ""  # of what the program printed, if it failed

    @property
    def name(self) -> str:
        """`worker-3`."""
        return job_spec.name(Task(self.role, self.index))

    @property
    def usual(self) -> bool:
        """Whether it runs, or ended, without anything to report."""
        return not (self.message or self.last_exit or self.restarts)


@dataclass(frozen=True)
class JobView:
    """A job; times in seconds since the epoch."""

    name: str
    release: str
    namespace: str
    run_id: str
    phase: str
    reason: str
    message: str
    lifecycle_message: str  # why the lifecycle does not run; empty while it does
    started: float | None
    ended: float | None
    deciding_task: str
    exit_code: int | None
    failures: int
    backoff_limit: int | None
    restarts: int
    freed: bool
    progress: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]  # role -> replicas, running, succeeded
    tasks: Sequence[TaskView]
    history: Sequence[Mapping[str, Any]]
    job_spec: JobSpec

    @property
    def over(self) -> bool:
        """Whether the current run has ended."""
        return self.phase in TERMINAL


def view(objects: JobObjects, now: float) -> JobView:
    """The job at the time `now`. A status of another run than the one that is wanted now does not count."""
    metadata = objects.status["metadata"]
    run_id = metadata["annotations"][observe.RUN]
    status = parse_status(objects.status)
    if not status:
        status = {"reason": "LifecycleStarting", "message": "the lifecycle has not written a status yet"}
    elif status["runId"] != run_id:
        before = f"before: run {status['runId']}, {status['phase']}"
        status = {"reason": "NewRun", "message": f"the lifecycle has not started run {run_id} yet ({before})"}
    phase = status.get("phase", PENDING)
    replicas = objects.job_spec.get("replicas", {})
    return JobView(
        name=objects.job,
        release=metadata.get("labels", {}).get(RELEASE_LABEL, objects.job),
        namespace=metadata["namespace"],
        run_id=run_id,
        phase=phase,
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        lifecycle_message="" if phase in TERMINAL or objects.lifecycle_jobs is None else lifecycle_message(objects),
        started=observe.seconds(status.get("startTime")),
        ended=observe.seconds(status.get("completionTime")),
        deciding_task=status.get("decidingTask", ""),
        exit_code=status.get("exitCode"),
        failures=status.get("failures", 0),
        backoff_limit=status.get("backoffLimit"),
        restarts=status.get("restarts", 0),
        freed=bool(status.get("freed")),
        progress=status.get("progress") or {},
        counts=status.get("roles") or {role: {"replicas": count} for role, count in replicas.items()},
        tasks=_tasks(objects, status, phase, run_id, now),
        history=status.get("history", []),
        job_spec=objects.job_spec,
    )


def _tasks(objects: JobObjects, status: Mapping[str, Any], phase: str, run_id: str, now: float) -> list[TaskView]:
    documents = component(objects.pods, TRAINING)
    pods = {pod.task: pod for document in documents if (pod := observe.pod(objects.job, document, now))}
    last_lines = {document["metadata"]["uid"]: _last_lines(document) for document in documents}
    succeeded = {
        Task(role, index) for role, text in status.get("succeeded", {}).items() for index in parse_ranges(text)
    }
    views = []
    for task in job_spec.tasks(objects.job_spec) if objects.job_spec else sorted(pods):
        if task in pods:
            pod = pods[task]
            views.append(_with_pod(pod, run_id, task in succeeded, last_lines[pod.uid], now))
        else:
            failed = phase == FAILED and job_spec.name(task) == status.get("decidingTask")
            views.append(_without_pod(task, phase, task in succeeded, failed))
    return views


def _last_lines(pod: Object) -> dict[int, str]:
    """Exit status -> the last line of a program that exited with it. (observe.pod keeps the message's beginning.)"""
    lines = {}
    for status in pod.get("status", {}).get("containerStatuses") or ():
        if status["name"] == observe.CONTAINER:
            for state in (status.get("lastState") or {}, status.get("state") or {}):
                ended = state.get("terminated")
                if ended and ended["exitCode"]:
                    lines[ended["exitCode"]] = exit_codes.last_line(ended.get("message", ""))
    return lines


def _without_pod(task: Task, phase: str, succeeded: bool, failed: bool) -> TaskView:
    if succeeded:
        return TaskView(*task, SUCCEEDED)
    if failed:
        return TaskView(*task, FAILED)
    state = {SUCCEEDED: "Freed", FAILED: "Freed", SUSPENDED: SUSPENDED}.get(phase, NO_POD)
    return TaskView(*task, state, "no pod yet" if state == NO_POD else "")


def _with_pod(pod: Pod, run_id: str, succeeded: bool, last_lines: Mapping[int, str], now: float) -> TaskView:
    state, message = _pod_state(pod, run_id, now)
    last, restarts = pod.current or pod.last, pod.restarts
    if succeeded:
        last, restarts = None, max(restarts - 1, 0)  # the container was restarted once more, and is parked
        if state in ("Running", "Waiting", "Ended"):
            state, message = SUCCEEDED, ""
    return TaskView(*pod.task, state, message, pod.node, restarts, last, last_lines.get(last.code, "") if last else "")


def _pod_state(pod: Pod, run_id: str, now: float) -> tuple[str, str]:
    """State and message of a task by its pod."""
    if pod.deleted is not None:
        if pod.node and now > pod.deleted + SILENT_SECONDS:
            return "Lost", f"node {pod.node} does not answer"
        return "Terminating", ""
    if pod.run_id != run_id:
        return "OldRun", f"belongs to run {pod.run_id}"
    if pod.status == "Running":
        return "Running", ""
    state = "Ended" if pod.status == "Terminated" else "Waiting"
    if pod.backoff:
        return state, f"restarts after a back-off of {pod.backoff:.0f} s"
    return state, ": ".join(filter(None, (pod.disrupted or pod.reason, pod.message))) or "its pod is starting"
