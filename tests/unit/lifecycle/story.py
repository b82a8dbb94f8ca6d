"""A job told look by look: how the tables of these tests reach the state machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle import status
from tfconfig.tensorflow_job.lifecycle.decide import decide
from tfconfig.tensorflow_job.lifecycle.state import (
    RUNNING,
    Action,
    Container,
    Delete,
    Event,
    Exit,
    Finish,
    Observation,
    Pod,
    Progress,
    ProgressSample,
    Scale,
    Set,
    State,
    Usage,
)
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import Task, tasks
from tfconfig.tensorflow_job.task.messages import SERVED, STOPPED

NOW = 1_700_000_000.0
CHIEF, WORKER, PS, EVALUATOR = Task("chief", 0), Task("worker", 0), Task("ps", 0), Task("evaluator", 0)
OTHER = Task("worker", 1)
SERVER_WAS_READY = f"{SERVED} the server was ready"
WAS_ASKED_TO_END = f"{STOPPED} asked to end"


@dataclass
class Story:
    """A job told look by look. Each look also goes through the stored form, and is repeated as a restart would."""

    job: JobSpec
    pods: dict[Task, Pod] = field(default_factory=dict)
    state: State = field(default_factory=State)
    now: float = NOW
    suspend: bool = False
    sets: dict[str, Set] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    sample: ProgressSample | None = None
    silent: Mapping[Container, Sequence[Pod]] = field(default_factory=dict)
    used: Mapping[Task, Usage] = field(default_factory=dict)
    slow: Mapping[Task, str] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    _made: int = 0

    @classmethod
    def running(cls, job: JobSpec) -> Story:
        """A job all of whose tasks run."""
        story = cls(job)
        story.start()
        story.look(0)
        assert story.state.phase == RUNNING
        return story

    def start(self) -> None:
        for task in tasks(self.job):
            self.pod(task, status="Running")
        self.sets = {role: Set(size, size) for role, size in self.job["replicas"].items()}

    def pod(self, task: Task, **fields: Any) -> None:
        """A new pod for this task."""
        self._made += 1
        seen = {"run_id": self.job["runId"], "created": self.now, "node": f"node-{task.index}", **fields}
        self.pods[task] = Pod(task, f"uid-{self._made}", **seen)

    def change(self, task: Task, **fields: Any) -> None:
        self.pods[task] = replace(self.pods[task], **fields)

    def exits(
        self,
        task: Task,
        code: int,
        message: str = "",
        *,
        after: float = 1.0,
        reason: str = "",
        ran: float | None = None,
    ) -> State:
        """The task's container ends, after it `ran` so many seconds, and starts again; looked at once it runs again."""
        self.now += after
        started = 0.0 if ran is None else self.now - ran
        exit_ = Exit(code, reason or ("Error" if code else "Completed"), message, self.now, started)
        self.change(task, status="Running", last=exit_, restarts=self.pods[task].restarts + 1)
        return self.look()

    def is_stopped(self, task: Task, code: int = 143, *, after: float = 1.0) -> State:
        """The task's sandbox ends under it, and it starts again in another one: its node restarts."""
        self.change(task, sandbox_since=self.now + after + 0.5)
        return self.exits(task, code, WAS_ASKED_TO_END, after=after, ran=100)

    def reports(self, task: Task, step: int, *, after: float = 1.0, ago: float = 0.0, **fields: Any) -> State:
        """The task is asked for its progress; it came to this step `ago` seconds before."""
        self.now += after
        pod = self.pods[task]
        progress = Progress(task, step, time=self.now - ago, **fields)
        self.sample = ProgressSample(progress, pod.container, self.now)
        return self.look(0)

    def look(self, after: float = 1.0) -> State:
        self.now += after
        sets, suspend = dict(self.sets), self.suspend
        seen = Observation(self.now, dict(self.pods), sets, suspend, self.missing, self.sample, self.silent)
        seen = replace(seen, usage=self.used, slow=self.slow)
        before = status.load(status.dump(self.job, self.state, self.pods)) if self.state != State() else self.state
        assert before == self.state
        self.state, self.actions = decide(self.job, before, seen)
        again, _ = decide(self.job, self.state, seen)
        assert again == self.state, "the same observation again changes nothing"
        return self.state

    def scales(self) -> dict[str, int]:
        return {action.role: action.replicas for action in self.actions if isinstance(action, Scale)}

    def deleted(self) -> list[Task]:
        return [action.task for action in self.actions if isinstance(action, Delete)]

    def events(self) -> list[tuple[str, str]]:
        return [(action.reason, action.message) for action in self.actions if isinstance(action, Event)]

    def finish(self) -> bool | None:
        """How the job is told to end; None while it is not."""
        return next((action.success for action in self.actions if isinstance(action, Finish)), None)

    def free(self) -> None:
        """What was asked to go is gone."""
        for action in self.actions:
            if isinstance(action, Delete):
                del self.pods[action.task]
            elif isinstance(action, Scale):
                self.sets[action.role] = Set(action.replicas, action.replicas)


def draining(**options: Any) -> Story:
    """A job whose training has succeeded, while its evaluator runs."""
    story = Story.running(a_job(chief=1, worker=1, ps=1, evaluator=1, **options))
    story.exits(CHIEF, 0)
    return story
