"""The words of the state machine: what is observed, what is known of a run, what can be done. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..task.job_spec import Task

PENDING, RUNNING, RESTARTING, SUSPENDED, SUCCEEDED, FAILED = (
    "Pending",
    "Running",
    "Restarting",
    "Suspended",
    "Succeeded",
    "Failed",
)
PHASES = (PENDING, RUNNING, RESTARTING, SUSPENDED, SUCCEEDED, FAILED)


@dataclass(frozen=True)
class Exit:
    """How a container ended; `finished` in seconds since the epoch, `reason` in Kubernetes' words."""

    code: int
    reason: str = ""
    message: str = ""
    finished: float = 0.0


@dataclass(frozen=True)
class Pod:
    """One task's pod, or local process, as it was last seen."""

    task: Task
    uid: str
    run_id: str
    created: float
    status: str = "Waiting"  # Waiting | Running | Terminated
    reason: str = ""  # why it waits, in Kubernetes' words
    message: str = ""
    restarts: int = 0
    last: Exit | None = None  # how container number `restarts - 1` ended
    current: Exit | None = None  # how container number `restarts` ended, if it has
    backoff: float = 0.0  # seconds the kubelet lets pass before the next start
    deleted: float | None = None  # the time by which a deleted pod has to be gone
    disrupted: str = ""  # why Kubernetes ended the whole pod: Evicted, Preempted, ...
    node: str = ""


@dataclass(frozen=True)
class Set:
    """The size of a role's StatefulSet: asked for, reached, and whether its controller has seen the last change."""

    desired: int
    current: int
    observed: bool = True


@dataclass(frozen=True)
class Progress:
    """How far a program was at `time` (seconds since the epoch), when it came to this step; `rate`: steps a second."""

    task: Task
    step: int
    total: int | None = None
    loss: float | None = None
    rate: float | None = None
    time: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What container number `restarts` of pod `uid` told of its progress when it was asked, at `asked`."""

    progress: Progress
    uid: str
    restarts: int
    asked: float


@dataclass(frozen=True)
class Observation:
    """Everything the decision needs, at one time (`now`, seconds since the epoch).

    `missing` tells per role why pods cannot be made (quota, admission); `reading` the job's progress, if it is told.
    """

    now: float
    pods: Mapping[Task, Pod]
    sets: Mapping[str, Set]
    suspend: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)
    reading: Reading | None = None


@dataclass(frozen=True)
class Wave:
    """Failures that belong together; `start` is the time of the first one, `absorbed` counts those of the others."""

    start: float
    origin: Task
    counted: bool
    absorbed: dict[Task, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How an earlier run ended."""

    run_id: str
    phase: str
    reason: str
    message: str
    finished: float


@dataclass(frozen=True)
class State:
    """What is known of the run. The adapter stores it, and a new adapter goes on from it."""

    run_id: str = ""
    phase: str = PENDING
    reason: str = ""
    message: str = ""
    started: float = 0.0  # start of the run or of its last resumption
    running: float | None = None  # when all tasks ran for the first time since `started`
    decided: float | None = None  # when the deciding tasks had succeeded
    drained: bool = False  # whether the evaluator ended after that
    finished: float | None = None
    freed: bool = False
    decider: Task | None = None  # the task whose exit ended the run
    exit_code: int | None = None  # and its exit status
    failures: int = 0  # counted against backoffLimit
    restarts: int = 0  # all exits that led to a restart
    succeeded: frozenset[Task] = frozenset()
    seen: Mapping[Task, tuple[str, int]] = field(default_factory=dict)  # uid, number of its exits dealt with
    wave: Wave | None = None
    stuck: tuple[Task, float] | None = None  # a pod that cannot start, and since when
    progress: Progress | None = None
    teller: tuple[str, int] | None = None  # uid and restarts of the container that told it, while that one counts
    settled: float | None = None  # since when all tasks run or are done
    stalled: float | None = None  # programs in pods made no later than this hang, and are to be replaced
    history: tuple[Outcome, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the phase is terminal."""
        return self.phase in (SUCCEEDED, FAILED)


@dataclass(frozen=True)
class Scale:
    """Bring a role's set to this size."""

    role: str
    replicas: int


@dataclass(frozen=True)
class Delete:
    """Delete this very pod; `force` also where its node does not answer."""

    task: Task
    uid: str
    force: bool = False


@dataclass(frozen=True)
class Event:
    """Tell the user: `kind` is Normal or Warning."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True)
class Finish:
    """Everything is done: end as the training ended."""

    success: bool


Action = Scale | Delete | Event | Finish
