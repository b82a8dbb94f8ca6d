"""What a job and its tasks do, derived from the objects in the cluster. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from tfconfig.cluster.job_objects import RELEASE_LABEL, TRAINING, JobObjects, component, parse_status
from tfconfig.cluster.kubectl import Object
from tfconfig.cluster.lifecycle_health import lifecycle_message
from tfconfig.tensorflow_job.lifecycle.error_lines import last_line
from tfconfig.tensorflow_job.lifecycle.freeing import SILENT_SECONDS, lost
from tfconfig.tensorflow_job.lifecycle.known_failures import advice
from tfconfig.tensorflow_job.lifecycle.pod_status import pod
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    PENDING,
    SUCCEEDED,
    SUSPENDED,
    WAITING_FOR_EVALUATOR,
    Exit,
    Pod,
    Usage,
)
from tfconfig.tensorflow_job.lifecycle.status import load_tasks
from tfconfig.tensorflow_job.lifecycle.text import NO_POD
from tfconfig.tensorflow_job.lifecycle.timestamps import parse_time
from tfconfig.tensorflow_job.lifecycle.usage import load
from tfconfig.tensorflow_job.lifecycle.waiting import backoff_text
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.names import CONTAINER, RUN_ANNOTATION, SUSPEND_ANNOTATION

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec, Phase, StatusProgress

    ShownPhase = Phase | Literal["Unknown"]

TERMINAL = (SUCCEEDED, FAILED)
_PARKED = re.compile(r"[a-z]+-[0-9]+ is done: ")  # the message of a container that ran no program (task.py)
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
    hint: str = ""  # what to do about it, where the failure is a known one
    usage: Usage | None = None

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
    created: float | None  # the job, by the first install
    started: float | None
    ended: float | None
    deciding_task: str
    exit_code: int | None
    last_line: str  # of the deciding task, after a failure
    hint: str  # what to do about it
    failures: int
    backoff_limit: int | None
    restarts: int
    freed: bool
    progress: StatusProgress | None
    used: Mapping[Task, Usage]  # what tasks used, as far as it is known
    slow: Sequence[str]  # tasks that were slower than their peers
    counts: Mapping[str, Mapping[str, int]]  # role -> replicas, running, succeeded
    tasks: Sequence[TaskView]
    history: Sequence[Mapping[str, Any]]
    job_spec: JobSpec | None
    queue_message: str = ""  # why Kueue does not admit the pods

    @property
    def over(self) -> bool:
        """Whether the current run has ended."""
        return self.phase in TERMINAL


def view(objects: JobObjects, now: float) -> JobView:
    """The job at the time `now`. A status of another run than the one that is wanted now does not count."""
    metadata = objects.status["metadata"]
    run_id = metadata.get("annotations", {}).get(RUN_ANNOTATION, "")
    phase, reason, message, status = _current(objects.status, run_id)
    if phase == PENDING and metadata.get("annotations", {}).get(SUSPEND_ANNOTATION) == "true":
        phase, reason, message = SUSPENDED, "", "no task is started until it is resumed"
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
        created=parse_time(metadata.get("creationTimestamp")),
        started=parse_time(status.get("startTime")),
        ended=parse_time(status.get("completionTime")),
        deciding_task=status.get("decidingTask", ""),
        exit_code=status.get("exitCode"),
        last_line=status.get("lastLine", ""),
        hint=status.get("hint", ""),
        failures=status.get("failures", 0),
        backoff_limit=status.get("backoffLimit"),
        restarts=status.get("restarts", 0),
        freed=status.get("freed", False),
        progress=status.get("progress"),
        used=_usage(status),
        slow=status.get("slow", []),
        counts=status.get("roles") or {role: {"replicas": count} for role, count in replicas.items()},
        tasks=_tasks(objects, status, phase, run_id, now),
        history=status.get("history", []),
        job_spec=objects.job_spec,
        queue_message=objects.queue_message if objects.queue_message not in message else "",
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
    pods = {parsed.task: parsed for document in documents if (parsed := pod(objects.job, document, now))}
    last_lines = {document["metadata"]["uid"]: _last_lines(document) for document in documents}
    succeeded = load_tasks(status.get("succeeded", {}))
    used = _usage(status)
    views, reasons = [], _why_no_pod(status.get("message", ""), pods)
    for task in job_spec.tasks(objects.job_spec) if objects.job_spec else sorted(pods):
        if task in pods:
            parked = task in succeeded or (phase in TERMINAL and _is_parked(pods[task], status))
            views.append(_with_pod(pods[task], run_id, task in succeeded, parked, last_lines[pods[task].uid], now))
        else:
            failed = phase == FAILED and job_spec.name(task) == status.get("decidingTask")
            freed = status.get("reason") == WAITING_FOR_EVALUATOR and task.role != "evaluator"
            message = reasons.get(task.role, NO_POD)
            views.append(_without_pod(task, phase, task in succeeded, failed, freed, message))
        if task in used:
            views[-1] = replace(views[-1], usage=used[task])
    return views


def _usage(status: Mapping[str, Any]) -> dict[Task, Usage]:
    return {job_spec.parse_name(text): load(used) for text, used in status.get("usage", {}).items()}


def _is_parked(pod: Pod, status: Mapping[str, Any]) -> bool:
    """Whether the container runs no program: it started when the run was decided, which this task's exit did or not."""
    if pod.last is None or pod.current is not None:
        return bool(pod.current and _PARKED.match(pod.current.message))
    decided = job_spec.name(pod.task) == status.get("decidingTask") and pod.last.code == status.get("exitCode")
    return decided or pod.last.finished >= (parse_time(status.get("completionTime")) or math.inf)


def _why_no_pod(message: str, pods: Mapping[Task, Pod]) -> dict[str, str]:
    """Role -> what the status says of tasks that have no pod: a quota or a webhook refuses all of a role alike."""
    reasons: dict[str, str] = {}
    for text in re.split(r"; (?=[a-z]+-\d+: )", message):
        match = re.fullmatch(r"([a-z]+)-(\d+): (.+?)( \(and \d+ more of \d+\))?", text, re.DOTALL)
        if match and Task(match.group(1), int(match.group(2))) not in pods:
            reasons.setdefault(match.group(1), match.group(3))
    return reasons


def _last_lines(pod: Object) -> dict[int, tuple[str, str]]:
    """Exit status -> the last line of a program that exited with it, and what to do about it.

    (pod_status.pod keeps the message's beginning.)
    """
    lines = {}
    for status in pod.get("status", {}).get("containerStatuses") or ():
        if status["name"] == CONTAINER:
            for state in (status.get("lastState") or {}, status.get("state") or {}):
                ended = state.get("terminated") or {}
                code, message = ended.get("exitCode"), ended.get("message", "")
                if code and not _PARKED.match(message):
                    lines[code] = _last_words(message, code, ended.get("reason", ""))
    return lines


@lru_cache(maxsize=4096)  # a job is looked at again with every change of any of its tasks
def _last_words(message: str, code: int, reason: str) -> tuple[str, str]:
    return last_line(message), advice(message, code, reason)


def _without_pod(task: Task, phase: ShownPhase, succeeded: bool, failed: bool, freed: bool, message: str) -> TaskView:
    if succeeded:
        return TaskView(*task, SUCCEEDED)
    if failed:
        return TaskView(*task, FAILED)
    if phase in TERMINAL or freed:
        return TaskView(*task, "Freed")
    if phase == SUSPENDED:
        return TaskView(*task, SUSPENDED)
    return TaskView(*task, "NoPod", message)


def _with_pod(
    pod: Pod, run_id: str, succeeded: bool, parked: bool, last_lines: Mapping[int, tuple[str, str]], now: float
) -> TaskView:
    state, message = _pod_state(pod, run_id, now)
    # A container that was restarted once more only to be parked is no restart of the program.
    last, restarts = pod.current or pod.last, max(pod.restarts - parked, 0)
    if succeeded:
        last = None
        if state in ("Running", "Waiting", "Ended") or (state == "Lost" and pod.deleted is None):
            state, message = SUCCEEDED, ""
    line, hint = last_lines.get(last.code, ("", "")) if last else ("", "")
    return TaskView(*pod.task, state, message, pod.node, restarts, last, line, hint)


def _pod_state(pod: Pod, run_id: str, now: float) -> tuple[TaskState, str]:
    """State and message of a task by its pod."""
    if pod.deleted is not None:
        if pod.node and lost([pod], now, SILENT_SECONDS):
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
        return state, backoff_text(pod.backoff)
    return state, ": ".join(filter(None, (pod.disrupted or pod.reason, pod.message))) or "its pod is starting"
