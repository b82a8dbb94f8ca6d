"""The terms of the state machine: what is observed, what is known of a run, what can be done. Data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

from ..task.contracts import EndPhase, Phase, Reason, Source
from ..task.job_spec import Task
from ..task.progress import PROGRAM

PENDING: Final = "Pending"
RUNNING: Final = "Running"
RESTARTING: Final = "Restarting"
SUSPENDED: Final = "Suspended"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
PHASES: tuple[Phase, ...] = get_args(Phase)
REPLACED: Final = "Replaced"  # of an earlier run that another one took the place of

TAKING_OVER: Final = "TakingOver"
WAITING: Final = "WaitingForTasks"
WAITING_FOR_EVALUATOR: Final = "WaitingForEvaluator"
STALLED: Final = "Stalled"

PodStatus = Literal["Waiting", "Running", "Terminated"]

# How the kubelet says (from Kubernetes 1.36 on) that a container's restartPolicyRules had it restart all of its pod's.
RESTARTED_BESIDE = "RestartingAllContainers"


@dataclass(frozen=True)
class Usage:
    """What a task's container used in so many seconds (task/contracts.UsageDocument); None: not known, or no limit."""

    seconds: float = 0.0
    cpu_seconds: float | None = None
    cpu_limit: float | None = None
    throttled_share: float | None = None
    memory_peak: int | None = None
    memory_limit: int | None = None
    gpu_share: float | None = None
    gpu_memory_peak: int | None = None
    tensorflow: str | None = None

    @property
    def cpus(self) -> float | None:
        """CPUs used on average."""
        return self.cpu_seconds / self.seconds if self.cpu_seconds is not None and self.seconds else None


@dataclass(frozen=True)
class Exit:
    """How a container ended; times in seconds since the epoch, `reason` in Kubernetes' words."""

    code: int
    reason: str = ""
    message: str = ""
    finished: float = 0.0
    started: float = 0.0  # 0: unknown
    error: str = ""  # what the program surely ended with, by the end of the log
    last_line: str = ""  # that, or the last line that means something
    usage: Usage | None = field(default=None, kw_only=True)


class Container(NamedTuple):
    """A container of a task: container number `restarts` of the pod `uid`."""

    uid: str
    restarts: int


@dataclass(frozen=True)
class Pod:
    """One task's pod, or local process, as it was last seen."""

    task: Task
    uid: str
    run_id: str
    created: float
    status: PodStatus = "Waiting"
    reason: str = ""  # why it waits, in Kubernetes' words
    message: str = ""
    restarts: int = 0
    last: Exit | None = None  # how container number `restarts - 1` ended
    current: Exit | None = None  # how container number `restarts` ended, if it has
    backoff: float = 0.0  # seconds the kubelet lets pass before the next start
    deleted: float | None = None  # the time by which a deleted pod has to be gone
    disrupted: str = ""  # why Kubernetes ended the whole pod: Evicted, Preempted, ...
    node: str = ""
    ip: str = ""
    unreachable: bool = False  # its node is NotReady: nobody knows what it does
    sandbox_since: float = 0.0  # since when it has its network and processes; infinite: not now; 0: unknown
    queued: bool = False  # it waits in a queue, or for a node for all pods of its group
    group: str = ""  # the PodGroup of Kubernetes that it belongs to
    probed: bool = False  # it has a probe that stops its container: nothing else asks one to end in a pod that stays

    @property
    def container(self) -> Container:
        """The container that it has now."""
        return Container(self.uid, self.restarts)


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
    metrics: Mapping[str, float] = field(default_factory=dict)
    source: Source = PROGRAM


@dataclass(frozen=True)
class ProgressSample:
    """The progress that a container reported when it was asked, at `asked` (seconds since the epoch)."""

    progress: Progress
    container: Container
    asked: float


@dataclass(frozen=True)
class Observation:
    """Everything the decision needs, at one time (`now`, seconds since the epoch).

    `missing` says per role why pods cannot be created (quota, admission). `silent`: for programs of this run, the peers
    whose answer they wait for and who answer nobody; those may be of pods that are gone. `slow`: tasks that are slower
    than their peers, and how much.
    """

    now: float
    pods: Mapping[Task, Pod]
    sets: Mapping[str, Set]
    suspend: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)
    sample: ProgressSample | None = None
    silent: Mapping[Container, Sequence[Pod]] = field(default_factory=dict)
    usage: Mapping[Task, Usage] = field(default_factory=dict)
    slow: Mapping[Task, str] = field(default_factory=dict)
    chart: str = ""  # its version


@dataclass(frozen=True)
class Wave:
    """Failures that belong together; `start` is the time of the first one, `absorbed` counts those of the others."""

    start: float
    origin: Task
    counted: bool
    absorbed: Mapping[Task, int] = field(default_factory=dict)


class HandledExits(NamedTuple):
    """How many exits of a pod have been dealt with."""

    uid: str
    exits: int


class Repeated(NamedTuple):
    """How often in a row a task failed with this exit status soon after its start."""

    code: int
    times: int


class Moment(NamedTuple):
    """Something that happened to the run, in the words of its Event."""

    time: float
    reason: str
    message: str


class Point(NamedTuple):
    """The program's step, loss and other metrics at a time."""

    time: float
    step: int
    loss: float | None
    metrics: Mapping[str, float] = MappingProxyType({})


class Change(NamedTuple):
    """From a time on so many tasks run, and so many are done."""

    time: float
    running: int
    done: int


@dataclass(frozen=True)
class Record:
    """What is kept of a run for those who look later (record.py); restarts, last line and usage once it is over."""

    started: float
    settings: Mapping[str, str] = field(default_factory=dict)
    moments: tuple[Moment, ...] = ()
    points: tuple[Point, ...] = ()
    restarts: int = 0
    last_line: str = ""
    usage: Mapping[Task, Usage] = field(default_factory=dict)
    timelines: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)  # of roles, and of some tasks
    tensorflow: tuple[str, ...] = ()  # the versions that its tasks loaded


@dataclass(frozen=True)
class Outcome:
    """How an earlier run ended."""

    run_id: str
    phase: EndPhase
    reason: Reason
    message: str
    finished: float
    record: Record | None = None  # none of runs of older charts


@dataclass(frozen=True)
class State:
    """What is known of the run. The adapter stores it, and a new adapter continues from it. Times since the epoch."""

    run_id: str = ""
    phase: Phase = PENDING
    reason: Reason = ""
    message: str = ""
    started: float = 0.0  # start of the run or of its last resumption
    first_started: float = 0.0  # start of the run, whatever was suspended since; 0: unknown
    queued_seconds: float = 0.0  # seconds since then in which all tasks that did not run waited in a queue
    queued_since: float | None = None  # they do now
    all_ran: float | None = None  # when all tasks ran for the first time since `started`
    training_succeeded: float | None = None  # when the deciding tasks had succeeded
    evaluator_failed: bool = False  # after that
    finished: float | None = None
    freed: bool = False  # no pod is left
    deciding_task: Task | None = None  # the task whose exit ended the run
    exit_code: int | None = None  # and its exit status
    last_line: str = ""  # that it printed before it failed: the exception, or the last that means something
    hint: str = ""  # what to do about it, where the failure is a known one
    failures: int = 0  # counted against backoffLimit
    restarts: int = 0  # all exits that led to a restart
    succeeded: frozenset[Task] = frozenset()
    handled: Mapping[Task, HandledExits] = field(default_factory=dict)
    wave: Wave | None = None
    doubts: tuple[str, ...] = ()  # what was seen of a program that succeeded and may have done less than it seems
    repeated: Mapping[Task, Repeated] = field(default_factory=dict)
    excused: Mapping[Task, float] = field(default_factory=dict)  # until when a task's excuses are used up
    worked: bool = False  # a program that failed had saved or reported something before
    unstartable: Mapping[Task, float] = field(default_factory=dict)  # tasks whose pods cannot start, and since when
    progress: Progress | None = None
    progress_container: Container | None = None  # which reported it, while that one counts
    usage: Mapping[Task, Usage] = field(default_factory=dict)  # of many tasks, extremes
    slow: tuple[Task, ...] = ()  # tasks that were slower than their peers
    all_running_since: float | None = None  # since when all tasks run or are done
    hung_before: float | None = None  # programs in pods created no later than this hang, and are replaced
    history: tuple[Outcome, ...] = ()
    record: Record | None = None

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
    """Delete this very pod, with `grace` seconds (None: the pod's own); `force` also where its node does not answer."""

    task: Task
    uid: str
    force: bool = False
    grace: int | None = None


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event for the user."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Finish:
    """Everything is done: end as the training ended."""

    success: bool


Action = Scale | Delete | Event | Finish
