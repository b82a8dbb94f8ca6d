"""What a job is like, made from the documents of a cluster. Pure: documents in, views out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from tfconfig.cluster import exit_codes
from tfconfig.cluster.kubectl import Object
from tfconfig.tensorflow_job.lifecycle import observe
from tfconfig.tensorflow_job.lifecycle.decide import LOST_SECONDS, SILENT_SECONDS
from tfconfig.tensorflow_job.lifecycle.state import FAILED, PENDING, SUCCEEDED, SUSPENDED, Exit, Pod
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import Task, name, parse_ranges

ENDED = (SUCCEEDED, FAILED)
COMPONENT = "app.kubernetes.io/component"
STATUS_SUFFIX = "-status"
MISSING = "NoPod"


@dataclass(frozen=True)
class TaskView:
    """One task.

    `state`: of its pod Running, Waiting, Ended, Terminating, Lost (its node does not answer), OldRun, NoPod; of a task
    that is through Succeeded, Failed, Freed, Suspended.
    """

    role: str
    index: int
    state: str
    why: str = ""  # it is not running, in Kubernetes' words
    node: str = ""
    restarts: int = 0
    last: Exit | None = None
    said: str = ""  # the program's last line, if it failed

    @property
    def name(self) -> str:
        """`worker-3`."""
        return name(Task(self.role, self.index))

    @property
    def usual(self) -> bool:
        """Whether there is nothing to tell of it."""
        return not (self.why or self.last or self.restarts)


@dataclass(frozen=True)
class JobView:
    """A job as its documents tell it; times in seconds since the epoch."""

    name: str
    release: str
    namespace: str
    run_id: str
    phase: str
    reason: str
    message: str
    lifecycle: str  # what is wrong with the lifecycle itself; empty: nothing
    started: float | None
    ended: float | None
    decider: str
    exit_code: int | None
    failures: int
    backoff_limit: int | None
    restarts: int
    freed: bool
    progress: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]  # role -> replicas, running, succeeded
    tasks: Sequence[TaskView] = ()
    history: Sequence[Mapping[str, Any]] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)  # job.json

    @property
    def over(self) -> bool:
        """Whether the run that is wanted has ended."""
        return self.phase in ENDED


@dataclass(frozen=True)
class Documents:
    """What the cluster says of a job: its status ConfigMap and, where they were asked for, job.json, pods and Jobs."""

    status: Object
    layout: Mapping[str, Any]
    pods: Sequence[Object] = ()
    jobs: Sequence[Object] | None = None


def is_status(configmap: Object) -> bool:
    """Whether a ConfigMap is the status of a job."""
    metadata = configmap["metadata"]
    return metadata["name"].endswith(STATUS_SUFFIX) and observe.RUN in (metadata.get("annotations") or {})


def layout(configmap: Object) -> dict[str, Any]:
    """job.json of the ConfigMap `<job>-job`; empty where it has none."""
    found: dict[str, Any] = json.loads((configmap.get("data") or {}).get("job.json") or "{}")
    return found


def view(documents: Documents, now: float) -> JobView:
    """The job at the time `now`."""
    metadata = documents.status["metadata"]
    wanted = metadata["annotations"][observe.RUN]
    told = _told(documents.status)
    job_name = metadata["name"].removesuffix(STATUS_SUFFIX)
    phase, reason, message = told.get("phase", PENDING), told.get("reason", ""), told.get("message", "")
    if not told:
        reason, message = "LifecycleStarts", "the lifecycle has not written a status yet"
    elif told["runId"] != wanted:
        before = f"before: run {told['runId']}, {phase}"
        message = f"run {wanted} is wanted; the lifecycle has not taken it up yet ({before})"
        phase, reason, told = PENDING, "NewRun", {}
    training = component(documents.pods, "training")
    pods = {pod.task: pod for document in training if (pod := observe.pod(job_name, document, now))}
    words = {document["metadata"]["uid"]: _words(document) for document in training}
    succeeded = {Task(role, index) for role, text in told.get("succeeded", {}).items() for index in parse_ranges(text)}
    decider = told.get("decidingTask", "")
    tasks = [
        _task(task, pods.get(task), phase, wanted, task in succeeded, name(task) == decider, words, now)
        for task in (job_spec.tasks(documents.layout) if documents.layout else sorted(pods))
    ]
    return JobView(
        name=job_name,
        release=metadata.get("labels", {}).get("app.kubernetes.io/instance", job_name),
        namespace=metadata["namespace"],
        run_id=wanted,
        phase=phase,
        reason=reason,
        message=message,
        lifecycle="" if phase in ENDED or documents.jobs is None else lifecycle_trouble(documents),
        started=observe.seconds(told.get("startTime")),
        ended=observe.seconds(told.get("completionTime")),
        decider=decider,
        exit_code=told.get("exitCode"),
        failures=told.get("failures", 0),
        backoff_limit=told.get("backoffLimit"),
        restarts=told.get("restarts", 0),
        freed=bool(told.get("freed")),
        progress=told.get("progress") or {},
        counts=told.get("roles") or {role: {"replicas": n} for role, n in documents.layout.get("replicas", {}).items()},
        tasks=tasks,
        history=told.get("history", []),
        layout=documents.layout,
    )


def _told(status: Object) -> dict[str, Any]:
    """status.json; empty while there is none. Raises ValueError where it is no JSON."""
    found: dict[str, Any] = json.loads((status.get("data") or {}).get(observe.STATUS_KEY) or "{}")
    return found


def component(pods: Iterable[Object], which: str) -> list[Object]:
    """Pods of one component, `training` or `lifecycle`, oldest first."""
    found = [pod for pod in pods if pod["metadata"].get("labels", {}).get(COMPONENT) == which]
    return sorted(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))


def _words(pod: Object) -> dict[int, str]:
    """Exit status -> the last line of a program that ended with it. (observe.pod keeps the message's beginning.)"""
    said = {}
    for status in pod.get("status", {}).get("containerStatuses") or ():
        if status["name"] == observe.CONTAINER:
            for state in (status.get("lastState") or {}, status.get("state") or {}):
                ended = state.get("terminated")
                if ended and ended["exitCode"]:
                    said[ended["exitCode"]] = exit_codes.last_words(ended.get("message", ""))
    return said


def _task(
    task: Task,
    pod: Pod | None,
    phase: str,
    run_id: str,
    succeeded: bool,
    decides: bool,
    words: Mapping[str, Mapping[int, str]],
    now: float,
) -> TaskView:
    if pod is None:
        if phase == FAILED and decides:
            return TaskView(*task, "Failed")
        gone = {SUCCEEDED: "Freed", FAILED: "Freed", SUSPENDED: "Suspended"}.get(phase, MISSING)
        return TaskView(
            *task, "Succeeded" if succeeded else gone, "no pod yet" if gone == MISSING and not succeeded else ""
        )
    last = pod.current or pod.last
    state, why = _state(pod, run_id, now)
    if succeeded:
        last = None
        if state in ("Running", "Waiting", "Ended"):
            state, why = "Succeeded", ""  # its container is parked
    said = words[pod.uid].get(last.code, "") if last else ""
    return TaskView(*task, state, why, pod.node, pod.restarts - (succeeded and pod.restarts > 0), last, said)


def _state(pod: Pod, run: str, now: float) -> tuple[str, str]:
    if pod.deleted is not None:
        if now > pod.deleted + SILENT_SECONDS:
            return "Lost", f"node {pod.node} does not answer" if now < pod.deleted + LOST_SECONDS or pod.node else ""
        return "Terminating", ""
    if pod.run_id != run:
        return "OldRun", f"of run {pod.run_id}"
    if pod.status == "Running":
        return "Running", ""
    words = ": ".join(word for word in (pod.disrupted or pod.reason, pod.message) if word)
    if pod.backoff:
        words = f"restarts after a back-off of {pod.backoff:.0f} s"
    return ("Ended" if pod.status == "Terminated" else "Waiting"), words or "its pod starts"


def lifecycle_trouble(documents: Documents) -> str:
    """Why nobody watches over the job; empty where the lifecycle runs."""
    wanted = documents.status["metadata"]["annotations"].get(observe.CONTROLLER, "")
    job = next((one for one in documents.jobs or () if one["metadata"]["name"] == wanted), None)
    if job is None:
        return f"Job {wanted} is not there; helm upgrade makes it again"
    failed = next((one for one in job.get("status", {}).get("conditions") or () if _is_true(one, "Failed")), None)
    if failed:
        return f"Job {wanted} has failed ({failed.get('reason')}): {failed.get('message', '')}"
    labelled = component(documents.pods, "lifecycle")
    pods = [pod for pod in labelled if pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") == wanted]
    if not pods:
        return f"Job {wanted} has no pod yet; kubectl describe job/{wanted} tells why"
    return _pod_trouble(pods[-1])


def lifecycle_failed(documents: Documents) -> bool:
    """Whether the lifecycle Job has failed, so that it will never tell an outcome."""
    wanted = documents.status["metadata"]["annotations"].get(observe.CONTROLLER, "")
    conditions = [
        condition
        for job in documents.jobs or ()
        if job["metadata"]["name"] == wanted
        for condition in job.get("status", {}).get("conditions") or ()
    ]
    return any(_is_true(condition, "Failed") for condition in conditions)


def _is_true(condition: Mapping[str, Any], kind: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == "True"


def _pod_trouble(pod: Object) -> str:
    status = pod.get("status", {})
    state: Object = next((one.get("state", {}) for one in status.get("containerStatuses") or ()), {})
    if "running" in state:
        return ""
    unscheduled: Object = next((one for one in status.get("conditions") or () if one.get("type") == "PodScheduled"), {})
    if unscheduled.get("status") == "False":
        return f"its pod waits: {unscheduled.get('reason', '')}: {unscheduled.get('message', '')}"
    waiting = state.get("waiting", {})
    if waiting.get("reason", "") not in observe.NOT_TOLD:
        return f"its pod waits: {waiting['reason']}: {waiting.get('message', '')}"
    if "terminated" in state:
        ended = state["terminated"]
        return f"its pod ended: {exit_codes.told(Exit(ended['exitCode'], ended.get('reason', '')))}"
    return "its pod starts"


def document(job: JobView) -> dict[str, Any]:
    """The view for programs (-o json); `version` changes when a field changes its meaning or goes."""
    return {
        "version": 1,
        "name": job.name,
        "release": job.release,
        "namespace": job.namespace,
        "runId": job.run_id,
        "phase": job.phase,
        "reason": job.reason,
        "message": job.message,
        "lifecycle": job.lifecycle,
        "startTime": _time(job.started),
        "completionTime": _time(job.ended),
        "decidingTask": job.decider,
        "exitCode": job.exit_code,
        "failures": job.failures,
        "backoffLimit": job.backoff_limit,
        "restarts": job.restarts,
        "freed": job.freed,
        "progress": dict(job.progress),
        "roles": {role: dict(counts) for role, counts in job.counts.items()},
        "tasks": [_task_document(task) for task in job.tasks],
        "history": [dict(one) for one in job.history],
    }


def _time(seconds: float | None) -> str | None:
    """RFC 3339 in UTC, as everywhere in Kubernetes."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _task_document(task: TaskView) -> dict[str, Any]:
    last = task.last and {
        **asdict(task.last),
        "finished": _time(task.last.finished),
        "meaning": exit_codes.meaning(*_exit_fields(task.last)),
    }
    return {
        "task": task.name,
        "state": task.state,
        "why": task.why,
        "node": task.node,
        "restarts": task.restarts,
        "lastExit": last,
        "said": task.said,
    }


def _exit_fields(exit_: Exit) -> tuple[int, str, str]:
    return exit_.code, exit_.reason, exit_.message


def outcome(job: JobView) -> str:
    """One line: how the run ended."""
    took = f" after {job.ended - job.started:.0f} s" if job.started and job.ended else ""
    return f"{job.name}: {job.phase}{took} ({job.reason}): {job.message}"


def last_lines(log: str) -> tuple[str, list[str]]:
    """The deciding task and the last lines of its program, as the lifecycle's log ends with them; ("", []) without."""
    _, found, rest = log.rpartition("\nlast lines of ")
    if not found:
        return "", []
    first, *lines = rest.splitlines()
    return first.removesuffix(":"), [line.removeprefix("  ") for line in lines]
