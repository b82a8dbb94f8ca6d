"""What is seen of a job in the cluster, reduced to what decisions need.

`pod` and `size` turn the API's objects into the words of state.py. `Bell`, `Pods` and `Wanted` hold what the watches
tell, shared between threads. `Explainer` asks why tasks are waiting where their pods do not say it, `Asker` the
reporting task for the progress of its program (progress.py).
How the kubelet tells exits and waiting: kubernetes/pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from sys import intern
from typing import Any

from ..task import progress
from ..task.job_spec import ROLES, JobSpec, Task, address, name
from .kubernetes import ApiError, Client, Document
from .state import Exit, Pod, Progress, Reading, Set

CONTAINER = "tensorflow"
ROLE_LABEL, RUN_LABEL, JOB_LABEL = "tensorflow-job/role", "tensorflow-job/run-id", "tensorflow-job/job"
RUN, CONTROLLER, SUSPEND = "tensorflow-job/run-id", "tensorflow-job/controller", "tensorflow-job/suspend"
STATUS_KEY, HOLDER_KEY = "status.json", "holder"
HANDLED_KEY = "handled.json"  # the second line of status.dump: training pods do not mount it

MESSAGE = 400  # characters kept of a message: a thousand pods times two exits times 4 KiB would be a lot
INIT_ATTEMPTS = 3
NOT_TOLD = ("", "ContainerCreating", "PodInitializing")
PUZZLING_SECONDS = 10.0
ASK_SECONDS, CONNECT_SECONDS = 10.0, 2.0
_TELLING = ("PodScheduled", "DisruptionTarget")
_BACKOFF = re.compile(r"back-off (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)? restarting failed container", re.IGNORECASE)


# --- objects of the API -------------------------------------------------------------------------------------------


def pod(job_name: str, document: Mapping[str, Any], now: float) -> Pod | None:
    """A training pod as the state machine sees it; None for other pods. `now` stands in for times that are not told."""
    metadata, spec, status = document["metadata"], document.get("spec", {}), document.get("status", {})
    labels = metadata.get("labels", {})
    task = task_of(job_name, metadata["name"], labels.get(ROLE_LABEL, ""))
    if task is None:
        return None
    main = _container(status.get("containerStatuses"))
    state, before = main.get("state", {}), _exit(main.get("lastState", {}).get("terminated"), now)
    last, current = before, _exit(state.get("terminated"), now)
    waiting = state.get("waiting")
    if waiting is not None and _describes_last_start(main):
        last, current = None, before
    conditions = {item["type"]: item for item in status.get("conditions") or () if item["type"] in _TELLING}
    over = status.get("phase") in ("Failed", "Succeeded")
    if state.get("running") is not None and not over:
        told = "Running", "", ""
    elif over or (current and waiting is None):
        told = "Terminated", status.get("reason", ""), status.get("message", "")
    else:
        told = "Waiting", *_why_waiting(spec, status, waiting or {}, conditions)
    disruption = conditions.get("DisruptionTarget", {})
    disrupted = disruption.get("reason", "Disrupted") if disruption.get("status") == "True" else ""
    back_off = _BACKOFF.search(told[2]) if told[1] == "CrashLoopBackOff" else None
    return Pod(
        task=task,
        uid=metadata["uid"],
        run_id=intern(labels.get(RUN_LABEL, "")),
        created=seconds(metadata.get("creationTimestamp")) or now,
        status=told[0],
        reason=intern(told[1]),
        message=told[2][:MESSAGE],
        restarts=main.get("restartCount", 0),
        last=last,
        current=current,
        backoff=_duration(*back_off.groups("0")) if back_off else 0.0,
        deleted=seconds(metadata.get("deletionTimestamp")),
        # A kubelet that rejects or evicts a whole pod writes Failed and its reason, with or without the condition.
        disrupted=intern(disrupted or (status.get("reason", "") if over else "")),
        node=intern(spec.get("nodeName", "")),
    )


def task_of(job_name: str, pod_name: str, role: str) -> Task | None:
    """The task whose pod has this name: `<job>-<role>-<index>`, as a StatefulSet makes it."""
    prefix = f"{job_name}-{role}-"
    index = pod_name[len(prefix) :]
    if role not in ROLES or not pod_name.startswith(prefix) or not index.isdecimal():
        return None
    return Task(intern(role), int(index))


def size(document: Mapping[str, Any]) -> Set:
    """A StatefulSet's size."""
    status = document.get("status", {})
    return Set(
        desired=document["spec"].get("replicas", 1),
        current=status.get("replicas", 0),
        observed=status.get("observedGeneration", 0) >= document["metadata"].get("generation", 0),
    )


def seconds(text: str | None) -> float | None:
    """An RFC 3339 time of Kubernetes, always in UTC, in seconds since the epoch."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def _duration(hours: str, minutes: str, secs: str) -> float:
    return int(hours) * 3600.0 + int(minutes) * 60 + int(secs)


def _container(statuses: Iterable[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return next((one for one in statuses or () if one["name"] == CONTAINER), {})


def _exit(terminated: Mapping[str, Any] | None, now: float) -> Exit | None:
    if terminated is None:
        return None
    return Exit(
        terminated["exitCode"],
        intern(terminated.get("reason", "")),
        terminated.get("message", "")[:MESSAGE],
        seconds(terminated.get("finishedAt")) or now,
    )


def _describes_last_start(main: Mapping[str, Any]) -> bool:
    """Whether `lastState` of a waiting container tells the end of container number restartCount, not of the one before.

    The kubelet moves `state` into `lastState` when it writes why it does not start the next one yet; then both are of
    the same container.
    """
    container = main.get("lastState", {}).get("terminated", {}).get("containerID", "")
    same = container and container == main.get("containerID", "")
    return bool(same) or main.get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"


def _why_waiting(
    spec: Mapping[str, Any],
    status: Mapping[str, Any],
    waiting: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
) -> tuple[str, str]:
    """Reason and message, in Kubernetes' words."""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return scheduled.get("reason", ""), scheduled.get("message", "")
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in NOT_TOLD:
        sidecars = {one["name"] for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"}
        for init in status.get("initContainerStatuses") or ():
            state = init.get("state", {})
            # A sidecar need not be ready, nor end; the next container starts once this one has started.
            over = init.get("started") if init["name"] in sidecars else state.get("terminated", {}).get("exitCode") == 0
            if not over:
                return _why_init(init, state)
    return (reason, message) if reason or message else (status.get("reason", ""), status.get("message", ""))


def _why_init(init: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[str, str]:
    """Why the first init container that is not done holds the pod up."""
    name, waiting = f"init container {init['name']}", state.get("waiting", {})
    ended = state.get("terminated") or init.get("lastState", {}).get("terminated") or {}
    failed = ended.get("exitCode", 0) != 0
    if failed:
        name += f" exited {ended['exitCode']}"
    # One that fails again and again runs for a moment in between, which is no progress.
    attempts = INIT_ATTEMPTS if "running" in state else 1
    if failed and (waiting.get("reason") == "CrashLoopBackOff" or init.get("restartCount", 0) >= attempts):
        return "InitContainerFailed", ": ".join(filter(None, (name, waiting.get("message") or ended.get("message"))))
    if waiting.get("reason", "") not in NOT_TOLD:
        return waiting["reason"], f"{name}: {waiting.get('message', '')}"
    return "PodInitializing", name if failed else f"{name} {'runs' if 'running' in state else 'starts'}"


# --- what the watches tell ----------------------------------------------------------------------------------------


class Bell:
    """Wakes the main loop. `urgent` when a program ended; `error` when a watch can't go on."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.changed, self.urgent = False, False
        self.error: BaseException | None = None
        self.lost: set[str] = set()  # what is not up to date

    def ring(self, urgent: bool = False) -> None:
        """Something changed."""
        with self.lock:
            self.changed, self.urgent = True, self.urgent or urgent
            self.lock.notify_all()

    def fail(self, error: BaseException) -> None:
        """A thread ended by this error."""
        with self.lock:
            self.error = error
            self.lock.notify_all()

    def live(self, what: str, yes: bool) -> bool:
        """Note that `what` is up to date or not; whether that is new."""
        with self.lock:
            news = yes == (what in self.lost)
            (self.lost.discard if yes else self.lost.add)(what)
            self.lock.notify_all()
            return news

    def wait(self, soonest: float, urgently: float, latest: float) -> bool:
        """Sleep until a change may be looked at, by time.monotonic(), at `latest` in any case; True when urgent.

        Nothing is looked at while it may be out of date.
        """
        with self.lock:
            while self.error is None:
                now = time.monotonic()
                due = urgently if self.urgent else soonest if self.changed else latest
                if now >= min(due, latest) and not self.lost:
                    break
                self.lock.wait(None if self.lost else min(due, latest) - now)
            urgent, self.changed, self.urgent = self.urgent, False, False
            if self.error is not None:
                raise self.error
            return urgent


class Pods:
    """The job's pods, as the watch tells them (a kubernetes.Sink)."""

    def __init__(self, job_name: str, bell: Bell, say: Callable[[str], None]) -> None:
        self._job_name, self._bell, self._say = job_name, bell, say
        self._pods: dict[Task, Pod] = {}
        bell.live("pods", False)

    def snapshot(self) -> dict[Task, Pod]:
        """All of them now."""
        with self._bell.lock:
            return dict(self._pods)

    def get(self, task: Task) -> Pod | None:
        """A task's pod now."""
        with self._bell.lock:
            return self._pods.get(task)

    def put(self, document: Document) -> None:
        """See kubernetes.Sink."""
        new = pod(self._job_name, document, time.time())
        if new is None:
            return
        old = self._pods.get(new.task)
        if old == new:
            return
        with self._bell.lock:
            self._pods[old.task if old else new.task] = new  # the same key as before: no second Task in memory
        exited = (new.last, new.current) != ((old.last, old.current) if old and old.uid == new.uid else (None, None))
        self._bell.ring(urgent=exited and new.deleted is None)

    def drop(self, document: Document) -> None:
        """See kubernetes.Sink."""
        name, labels = document["metadata"]["name"], document["metadata"].get("labels", {})
        task = task_of(self._job_name, name, labels.get(ROLE_LABEL, ""))
        if task:
            with self._bell.lock:
                self._pods.pop(task, None)
        self._bell.ring()

    def keep(self, names: set[str]) -> None:
        """See kubernetes.Sink."""
        with self._bell.lock:
            for task in [task for task in self._pods if f"{self._job_name}-{task.role}-{task.index}" not in names]:
                del self._pods[task]
        self._bell.ring()

    def live(self, yes: bool, why: str = "") -> None:
        """See kubernetes.Sink."""
        if self._bell.live("pods", yes) and why:
            self._say(f"the pods cannot be watched, trying again: {why}")


@dataclass(frozen=True)
class Status:
    """The status ConfigMap: what is wanted (annotations), and who wrote what last (data)."""

    version: str
    run_id: str
    controller: str
    suspend: bool
    holder: str
    text: str

    @classmethod
    def read(cls, document: Document) -> Status:
        """From the API's object."""
        metadata, data = document["metadata"], document.get("data") or {}
        notes = metadata.get("annotations") or {}
        return cls(
            metadata["resourceVersion"],
            notes.get(RUN, ""),
            notes.get(CONTROLLER, ""),
            notes.get(SUSPEND) == "true",
            data.get(HOLDER_KEY, ""),
            "\n".join(filter(None, (data.get(STATUS_KEY), data.get(HANDLED_KEY)))) if data.get(STATUS_KEY) else "",
        )


class Wanted:
    """The status ConfigMap, as the watch tells it (a kubernetes.Sink); None when there is none."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self.status: Status | None = None
        bell.live("status", False)

    def put(self, document: Document) -> None:
        """See kubernetes.Sink."""
        old, self.status = self.status, Status.read(document)
        if old is None or replace(old, version="", text="") != replace(self.status, version="", text=""):
            self._bell.ring(urgent=True)
        elif not self.status.text:
            self._bell.ring()

    def drop(self, document: Document) -> None:  # noqa: ARG002
        """See kubernetes.Sink."""
        self.status = None
        self._bell.ring(urgent=True)

    def keep(self, names: set[str]) -> None:
        """See kubernetes.Sink."""
        if not names:
            self.drop({})

    def live(self, yes: bool, why: str = "") -> None:  # noqa: ARG002
        """See kubernetes.Sink. Waited for once; later the pods matter, and a write notices who is named."""
        if yes:
            self._bell.live("status", True)


# --- why tasks wait -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A task that waits without saying why: its pod is missing, mute, or waits for a volume claim."""

    kind: str  # "missing", "mute" or "claim"
    role: str
    pod: str
    uid: str = ""


class Explainer:
    """Looks up, in a thread of its own, why tasks wait whose pods do not say it: Events and the claim's own state."""

    def __init__(self, client: Client, job: JobSpec, bell: Bell, pause: float) -> None:
        self._client, self.job, self._bell, self._pause = client, job, bell, pause
        self.questions: tuple[Question, ...] = ()
        self.since = 0.0  # Events before this time are of another run
        self._answers: dict[Question, tuple[str, str]] = {}

    def work(self) -> None:
        """Answer the questions there are every `pause` seconds; those that answer themselves sooner cost nothing."""
        while not self._client.closed.wait(self._pause):
            old = self._answers
            answers = {}
            for question in self.questions:
                try:
                    answers[question] = self._answer(question)
                except ApiError:
                    answers[question] = old.get(question, ("", ""))
            self._answers = answers
            if answers != old:
                self._bell.ring()

    def ask(self, tasks: Iterable[Task], pods: Mapping[Task, Pod], now: float) -> None:
        """What to find out: of these tasks, those whose pods do not say why they wait."""
        questions = []
        for task in tasks:
            seen, pod_name = pods.get(task), "{}-{}-{}".format(self.job["name"], *task)
            if seen is None:
                questions.append(Question("missing", task.role, ""))
            elif seen.status == "Waiting" and seen.deleted is None:
                if "PersistentVolumeClaim" in seen.message:
                    questions.append(Question("claim", task.role, pod_name, seen.uid))
                elif _mute(seen) and now - seen.created > PUZZLING_SECONDS:
                    questions.append(Question("mute", task.role, pod_name, seen.uid))
        self.questions = tuple(dict.fromkeys(questions))

    def missing(self) -> dict[str, str]:
        """Per role why pods cannot be made."""
        return {q.role: text for q, (_, text) in self._answers.items() if q.kind == "missing" and text}

    def explain(self, pods: Mapping[Task, Pod]) -> dict[Task, Pod]:
        """The pods, and in those that wait the answers."""
        explained = dict(pods)
        for question, (reason, text) in self._answers.items():
            task = task_of(self.job["name"], question.pod, question.role)
            seen = pods.get(task) if task else None
            if task is None or seen is None or seen.uid != question.uid or seen.status != "Waiting" or not text:
                continue
            if question.kind == "claim" and "PersistentVolumeClaim" in seen.message:
                explained[task] = replace(seen, message=f"{seen.message}; {text}"[: 2 * MESSAGE])
            elif question.kind == "mute" and _mute(seen):
                explained[task] = replace(seen, reason=reason, message=text[:MESSAGE])
        return explained

    def _answer(self, question: Question) -> tuple[str, str]:
        if question.kind == "missing":
            return self._event("StatefulSet", f"{self.job['name']}-{question.role}", self.since, reason="FailedCreate")
        if question.kind == "mute":
            reason, text = self._event("Pod", question.pod, 0.0)
            # The pod itself says when it has no node; the Event tells of before.
            return ("", "") if reason == "FailedScheduling" else (reason, text)
        name = self.job["checkpointClaim"]
        if not name:
            return "", ""
        claim = self._client.get("persistentvolumeclaims", name)
        phase, wanted = claim["status"].get("phase", "Pending"), claim["spec"].get("storageClassName") or "none"
        if phase == "Bound":
            return "", ""
        event = self._event("PersistentVolumeClaim", name, 0.0, kind="")[1]
        return "", f"claim {name} is {phase} (storage class {wanted})" + (f": {event}" if event else "")

    def _event(self, of: str, name: str, since: float, reason: str = "", kind: str = "Warning") -> tuple[str, str]:
        """The newest Event of an object: reason and message."""
        fields = {"involvedObject.kind": of, "involvedObject.name": name, "reason": reason, "type": kind}
        selector = ",".join(f"{key}={value}" for key, value in fields.items() if value)
        events = self._client.get("events", fieldSelector=selector)["items"]
        newest = max(events, key=_event_time, default=None)
        if newest is None or _event_time(newest) < since - 1.0:
            return "", ""
        return newest.get("reason", ""), newest.get("message", "")


# --- progress -----------------------------------------------------------------------------------------------------


class Asker:
    """Asks one task, in a thread of its own, how far its program is. A task that does not answer is asked again."""

    def __init__(self, bell: Bell, closed: threading.Event, pace: float) -> None:
        self._bell, self._closed, self._pace = bell, closed, pace
        self._whom: tuple[JobSpec, Pod] | None = None
        self.reading: Reading | None = None

    def ask(self, job: JobSpec, pod: Pod | None) -> None:
        """From now on ask this pod; nobody while it does not run."""
        running = pod is not None and pod.status == "Running" and pod.deleted is None
        self._whom = (job, pod) if pod is not None and running else None

    def work(self) -> None:
        """Ask every ASK_SECONDS, and often enough that a stall is noticed when its time is over."""
        pause = 1.0
        while not self._closed.wait(pause * self._pace):
            pause = 1.0
            if self._whom is not None:
                job, pod = self._whom
                self._put(read(job, pod))
                limit = job["deadlines"].get("stallSeconds")
                pause = ASK_SECONDS if limit is None else min(ASK_SECONDS, max(1.0, limit / 4))

    def _put(self, reading: Reading | None) -> None:
        if reading is not None:
            self.reading = reading
            self._bell.ring()


def read(job: JobSpec, pod: Pod) -> Reading | None:
    """What the program in this pod says of its progress; None when it says nothing or cannot be asked."""
    host = address(job, pod.task).rpartition(":")[0]
    try:
        said = ask(host, name(pod.task), job["runId"])
    except (OSError, UnicodeError):
        return None
    return reading(pod, said, time.time()) if said else None


def ask(host: str, task: str, run: str, port: int = 0) -> dict[str, Any] | None:
    """What that task tells, as `progress.read` does; None when it has not told anything yet.

    Raises OSError when it does not answer, or another one does.
    """
    with socket.create_connection((host, port or progress.PORT), CONNECT_SECONDS) as connection:
        text = b""
        while len(text) <= progress.LONGEST and b"\n" not in text:
            piece = connection.recv(progress.LONGEST)
            if not piece:
                break
            text += piece
    try:
        marks = json.loads(text.decode())
    except (ValueError, RecursionError):
        marks = None
    if not isinstance(marks, dict) or (marks.get("task"), marks.get("runId")) != (task, run):
        raise OSError(f"{host} does not answer as {task} of run {run}")
    return progress.checked(text)


def reading(pod: Pod, said: Mapping[str, Any], now: float) -> Reading:
    """An answer, or a file, of this pod in the words of the state machine; times to the millisecond, as stored."""
    told = Progress(
        pod.task, said["step"], said["total"], said["loss"], said["rate"], round(max(0.0, now - said["age"]), 3)
    )
    return Reading(told, pod.uid, pod.restarts, now)


def _mute(seen: Pod) -> bool:
    return seen.reason in NOT_TOLD and not seen.message


def _event_time(event: Mapping[str, Any]) -> float:
    series = (event.get("series") or {}).get("lastObservedTime")
    return seconds(series or event.get("lastTimestamp") or event.get("eventTime")) or 0.0
