"""Why tasks wait where their pods do not say it: looked up in Events and the claim's own state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..task.contracts import JobSpec
from ..task.job_spec import Task
from ..task.names import pod_name, set_name
from .informer import Wakeup
from .kubernetes import ApiError, Client
from .log import Log
from .pod_status import MAX_MESSAGE, UNINFORMATIVE, task_of
from .queues import GATED, queue_text
from .state import Pod
from .text import shortened
from .timestamps import parse_time

EXPLAIN_SECONDS = 5.0  # between looks
PUZZLING_SECONDS = 10.0  # a pod that says nothing for this long is looked into


@dataclass(frozen=True)
class Question:
    """Tasks whose pods do not say why they wait: missing, mute, waiting for a claim, or (all of them) in a queue."""

    kind: Literal["missing", "mute", "claim", "queue"]
    role: str = ""
    pod: str = ""
    uid: str = ""


class Explainer:
    """Looks up, in a thread of its own, why tasks wait whose pods do not say it: Events and the claim's own state."""

    def __init__(self, client: Client, job: JobSpec, wakeup: Wakeup, log: Log, pace: float) -> None:
        self._client, self.job, self._wakeup, self._log = client, job, wakeup, log
        self._pause = EXPLAIN_SECONDS * pace
        self.questions: tuple[Question, ...] = ()
        self.since = 0.0  # Events before this time are of another run
        self._answers: dict[Question, tuple[str, str]] = {}

    def work(self) -> None:
        """Answer the questions there are, now and then; those that answer themselves sooner cost nothing."""
        while not self._client.closed.wait(self._pause):
            old = self._answers
            answers = {}
            for question in self.questions:
                try:
                    answers[question] = self._answer(question)
                    if question.kind == "queue" and not answers[question][1]:  # Kubernetes forgets Events
                        answers[question] = old.get(question, ("", ""))
                except ApiError as error:
                    self._log.write_once(f"why tasks wait cannot be looked up: {error}")
                    answers[question] = old.get(question, ("", ""))
            self._answers = answers
            if answers != old:
                self._wakeup.notify()

    def ask(self, tasks: Iterable[Task], pods: Mapping[Task, Pod], now: float) -> None:
        """What to find out: of these tasks, those whose pods do not say why they wait."""
        questions = []
        for task in tasks:
            seen, name = pods.get(task), pod_name(self.job["name"], task)
            if seen is None:
                questions.append(Question("missing", task.role, ""))
            elif seen.status == "Waiting" and seen.deleted is None:
                if seen.reason == GATED:
                    questions.append(Question("queue"))
                elif "PersistentVolumeClaim" in seen.message:
                    questions.append(Question("claim", task.role, name, seen.uid))
                elif _mute(seen) and now - seen.created > PUZZLING_SECONDS:
                    questions.append(Question("mute", task.role, name, seen.uid))
        self.questions = tuple(dict.fromkeys(questions))

    def missing(self) -> dict[str, str]:
        """Per role why pods cannot be made."""
        return {q.role: text for q, (_, text) in self._answers.items() if q.kind == "missing" and text}

    def explain(self, pods: Mapping[Task, Pod]) -> dict[Task, Pod]:
        """The pods, and in those that wait the answers."""
        explained = dict(pods)
        for question, (reason, text) in self._answers.items():
            if question.kind == "queue" and text:
                for held in pods.values():
                    if held.status == "Waiting" and held.reason == GATED:
                        message = shortened(f"{held.message}: {text}", 2 * MAX_MESSAGE)
                        explained[held.task] = replace(held, message=message)
                continue
            task = task_of(self.job["name"], question.pod, question.role)
            seen = pods.get(task) if task else None
            if task is None or seen is None or seen.uid != question.uid or seen.status != "Waiting" or not text:
                continue
            if question.kind == "claim" and "PersistentVolumeClaim" in seen.message:
                explained[task] = replace(seen, message=shortened(f"{seen.message}; {text}", 2 * MAX_MESSAGE))
            elif question.kind == "mute" and _mute(seen):
                explained[task] = replace(seen, reason=reason, message=shortened(text, MAX_MESSAGE))
        return explained

    def _answer(self, question: Question) -> tuple[str, str]:
        if question.kind == "missing":
            return self._event(
                "StatefulSet", set_name(self.job["name"], question.role), self.since, reason="FailedCreate"
            )
        if question.kind == "queue":
            events = self._events("Workload", f"{self.job['name']}-{self.job['runId']}", self.since)
            return "", queue_text(events)
        if question.kind == "mute":
            reason, text = self._event("Pod", question.pod, 0.0)
            # The pod itself says when it has no node; the Event tells of before.
            return ("", "") if reason == "FailedScheduling" else (reason, text)
        name = self.job["checkpointClaim"]
        if not name:
            return "", ""
        claim = self._client.get("persistentvolumeclaims", name)
        phase, storage_class = claim["status"].get("phase", "Pending"), claim["spec"].get("storageClassName") or "none"
        if phase == "Bound":
            return "", ""
        event = self._event("PersistentVolumeClaim", name, 0.0, event_type="")[1]
        return "", f"claim {name} is {phase} (storage class {storage_class})" + (f": {event}" if event else "")

    def _event(
        self, kind: str, name: str, since: float, reason: str = "", event_type: str = "Warning"
    ) -> tuple[str, str]:
        """The newest Event of an object: reason and message."""
        events = self._events(kind, name, since, reason=reason, type=event_type)
        return (events[-1].get("reason", ""), events[-1].get("message", "")) if events else ("", "")

    def _events(self, kind: str, name: str, since: float, **more: str) -> list[Mapping[str, Any]]:
        """The Events of an object, the newest last."""
        fields = {"involvedObject.kind": kind, "involvedObject.name": name, **more}
        selector = ",".join(f"{key}={value}" for key, value in fields.items() if value)
        events = self._client.get("events", fieldSelector=selector)["items"]
        return sorted((event for event in events if _event_time(event) >= since - 1.0), key=_event_time)


def _mute(seen: Pod) -> bool:
    return seen.reason in UNINFORMATIVE and not seen.message


def _event_time(event: Mapping[str, Any]) -> float:
    series = (event.get("series") or {}).get("lastObservedTime")
    return parse_time(series or event.get("lastTimestamp") or event.get("eventTime")) or 0.0
