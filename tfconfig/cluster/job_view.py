"""What a job and its tasks do, derived from the objects in the cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tfconfig.cluster import exit_codes
from tfconfig.cluster.job_objects import RELEASE_LABEL, TRAINING, JobObjects, component, parse_status
from tfconfig.cluster.kubectl import Object
from tfconfig.cluster.lifecycle_health import lifecycle_message
from tfconfig.tensorflow_job.lifecycle.freeing import SILENT_SECONDS
from tfconfig.tensorflow_job.lifecycle.pod_status import pod
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError
from tfconfig.tensorflow_job.lifecycle.state import FAILED, PENDING, SUCCEEDED, SUSPENDED, Exit, Pod
from tfconfig.tensorflow_job.lifecycle.timestamps import parse_time
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.names import CONTAINER, RUN_ANNOTATION
from tfconfig.tensorflow_job.task.ranges import parse_ranges

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec, Phase, StatusProgress

    ShownPhase = Phase | Literal["Unknown"]

TERMINAL = (SUCCEEDED, FAILED)
UNKNOWN: Literal["Unknown"] = "Unknown"  # the status cannot be read
TaskState = Literal[
    "Running", "Waiting", "Ended", "Terminating", "Lost", "OldRun", "NoPod", "Succeeded", "Failed", "Freed", "Suspended"
]


@dataclass(frozen=True)
class TaskView:
    """One task.

    `state` is that of its pod: Running, Waiting, Ended, Terminating, Lost (its node does not answer), OldRun (of
    another run) or NoPod; or what became of the task: Succeeded, Failed, Freed (its pod was deleted), Suspended.
    """

    role: str
    index: int
    state: TaskState
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
    phase: ShownPhase
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
    progress: StatusProgress | None
    counts: Mapping[str, Mapping[str, int]]  # role -> replicas, running, succeeded
    tasks: Sequence[TaskView]
    history: Sequence[Mapping[str, Any]]
    job_spec: JobSpec | None

    @property
    def over(self) -> bool:
        """Whether the current run has ended."""
        return self.phase in TERMINAL


def view(objects: JobObjects, now: float) -> JobView:
    """The job at the time `now`. A status of another run than the one that is wanted now does not count."""
    metadata = objects.status["metadata"]
    run_id = metadata.get("annotations", {}).get(RUN_ANNOTATION, "")
    phase, reason, message, status = _current(objects.status, run_id)
    replicas = objects.job_spec["replicas"] if objects.job_spec else {}
    return JobView(
        name=objects.job,
        release=metadata.get("labels", {}).get(RELEASE_LABEL, objects.job),
        namespace=metadata.get("namespace", ""),
        run_id=run_id,
        phase=phase,
        reason=reason,
        message=message,
        lifecycle_message="" if phase in TERMINAL or objects.lifecycle_jobs is None else lifecycle_message(objects),
        started=parse_time(status.get("startTime")),
        ended=parse_time(status.get("completionTime")),
        deciding_task=status.get("decidingTask", ""),
        exit_code=status.get("exitCode"),
        failures=status.get("failures", 0),
        backoff_limit=status.get("backoffLimit"),
        restarts=status.get("restarts", 0),
        freed=status.get("freed", False),
        progress=status.get("progress"),
        counts=status.get("roles") or {role: {"replicas": count} for role, count in replicas.items()},
        tasks=_tasks(objects, status, phase, run_id, now),
        history=status.get("history", []),
        job_spec=objects.job_spec,
    )


def _current(configmap: Object, run_id: str) -> tuple[ShownPhase, str, str, Mapping[str, Any]]:
    """Phase, reason and message of the run that is wanted, and the status, empty if it is not that run's."""
    try:
        status = parse_status(configmap)
    except ShapeError as error:
        message = f"status.json is unreadable ({error}): something else than the lifecycle wrote it"
        return UNKNOWN, "StatusUnreadable", message, {}
    if status is None:
        return PENDING, "LifecycleStarting", "the lifecycle has not written a status yet", {}
    if status["runId"] != run_id:
        before = f"before: run {status['runId']}, {status['phase']}"
        return PENDING, "NewRun", f"the lifecycle has not started run {run_id} yet ({before})", {}
    return status["phase"], status.get("reason", ""), status.get("message", ""), status


def _tasks(
    objects: JobObjects, status: Mapping[str, Any], phase: ShownPhase, run_id: str, now: float
) -> list[TaskView]:
    documents = component(objects.pods, TRAINING)
    pods = {found.task: found for document in documents if (found := pod(objects.job, document, now))}
    last_lines = {document["metadata"]["uid"]: _last_lines(document) for document in documents}
    succeeded = {
        Task(role, index) for role, text in status.get("succeeded", {}).items() for index in parse_ranges(text)
    }
    views = []
    for task in job_spec.tasks(objects.job_spec) if objects.job_spec else sorted(pods):
        if task in pods:
            views.append(_with_pod(pods[task], run_id, task in succeeded, last_lines[pods[task].uid], now))
        else:
            failed = phase == FAILED and job_spec.name(task) == status.get("decidingTask")
            views.append(_without_pod(task, phase, task in succeeded, failed))
    return views


def _last_lines(pod: Object) -> dict[int, str]:
    """Exit status -> the last line of a program that exited with it. (pod_status.pod keeps the message's beginning.)"""
    lines = {}
    for status in pod.get("status", {}).get("containerStatuses") or ():
        if status["name"] == CONTAINER:
            for state in (status.get("lastState") or {}, status.get("state") or {}):
                ended = state.get("terminated")
                if ended and ended["exitCode"]:
                    lines[ended["exitCode"]] = exit_codes.last_line(ended.get("message", ""))
    return lines


def _without_pod(task: Task, phase: ShownPhase, succeeded: bool, failed: bool) -> TaskView:
    if succeeded:
        return TaskView(*task, SUCCEEDED)
    if failed:
        return TaskView(*task, FAILED)
    if phase in TERMINAL:
        return TaskView(*task, "Freed")
    if phase == SUSPENDED:
        return TaskView(*task, SUSPENDED)
    return TaskView(*task, "NoPod", "no pod yet")


def _with_pod(pod: Pod, run_id: str, succeeded: bool, last_lines: Mapping[int, str], now: float) -> TaskView:
    state, message = _pod_state(pod, run_id, now)
    last, restarts = pod.current or pod.last, pod.restarts
    if succeeded:
        last, restarts = None, max(restarts - 1, 0)  # the container was restarted once more, and is parked
        if state in ("Running", "Waiting", "Ended") or (state == "Lost" and pod.deleted is None):
            state, message = SUCCEEDED, ""
    return TaskView(*pod.task, state, message, pod.node, restarts, last, last_lines.get(last.code, "") if last else "")


def _pod_state(pod: Pod, run_id: str, now: float) -> tuple[TaskState, str]:
    """State and message of a task by its pod."""
    if pod.deleted is not None:
        if pod.node and now > pod.deleted + SILENT_SECONDS:
            return "Lost", f"node {pod.node} does not answer"
        return "Terminating", ""
    if pod.run_id != run_id:
        return "OldRun", f"belongs to run {pod.run_id}"
    if pod.unreachable:
        return "Lost", f"node {pod.node} does not answer"
    if pod.status == "Running":
        return "Running", ""
    state: TaskState = "Ended" if pod.status == "Terminated" else "Waiting"
    if pod.backoff:
        return state, f"restarts after a back-off of {pod.backoff:.0f} s"
    return state, ": ".join(filter(None, (pod.disrupted or pod.reason, pod.message))) or "its pod is starting"
