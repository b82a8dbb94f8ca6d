"""The documents that the parts of a job exchange, as types: job.json, status.json, done.json and a program's progress.

docs/architecture.md describes who writes and who reads each of them. Only types: in the user's image, where Python may
be 3.6, nothing imports this file; TypedDict and Literal came with 3.8.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Role = Literal["chief", "worker", "ps", "evaluator"]

Phase = Literal["Pending", "Running", "Restarting", "Suspended", "Succeeded", "Failed"]

EndPhase = Literal["Succeeded", "Failed", "Replaced"]
"""How a run ended. Replaced: another one took its place before it did."""

Reason = Literal[
    "",
    "TakingOver",
    "WaitingForTasks",
    "WaitingForEvaluator",
    "Completed",
    "TaskFailed",
    "BackoffLimitExceeded",
    "RepeatedFailure",
    "Stalled",
    "DeadlineExceeded",
    "StartDeadlineExceeded",
    "PodsCannotStart",
]
"""Why the job is in its phase; empty where the phase says it all."""


Source = Literal["program", "output", "epochs", "tensorboard", "checkpoints"]
"""Where progress is known from; `epochs`: from output that tells of whole epochs only."""


class Program(TypedDict):
    """The user's command line, before $(NAME) is replaced."""

    command: list[str]
    args: list[str]


class Completion(TypedDict):
    """When the training has succeeded."""

    successPolicy: Literal["Chief", "Worker0", "AllWorkers"]
    evaluatorGraceSeconds: int


class _Restart(TypedDict):
    policy: Literal["Never", "OnFailure", "ExitCode"]
    backoffLimit: int
    repeatLimit: int | None
    retryableExitCodes: list[int] | None
    uncountedExitCodes: list[int]
    nodeLoss: Literal["Wait", "Replace"]
    nodeLossGraceSeconds: int


class Restart(_Restart, total=False):
    """What happens when a program fails or a node is lost."""

    alwaysRoles: list[Role]  # whose programs run again however they end; older charts: none


class _Deadlines(TypedDict):
    activeSeconds: int | None
    startSeconds: int | None
    unstartableSeconds: int | None
    stallSeconds: int | None


class Deadlines(_Deadlines, total=False):
    """Seconds; None: no limit."""

    countQueuedTime: bool  # older charts: none


class ProgressSources(TypedDict):
    """Where progress is looked for that the program does not report itself, the best source first."""

    sources: list[Literal["output", "tensorboard", "checkpoints"]]
    pattern: str  # "": the built-in ones


class Cleanup(TypedDict):
    """What happens to the pods at the end."""

    onSuccess: Literal["Delete", "Keep", "KeepGPUs"]
    onFailure: Literal["Delete", "Keep", "KeepGPUs"]


class Logs(TypedDict):
    """The size in bytes and the number of the files that output is kept in."""

    maxBytes: int
    files: int


class RecordedSettings(TypedDict):
    """Settings of a run that its record keeps, beside those that job.json has anyway."""

    run: int
    images: dict[str, str]  # role -> image
    marks: dict[str, str]  # other settings that start a new run -> two digits of a hash


class _JobSpec(TypedDict):
    name: str
    service: str
    port: int
    runId: str
    strategy: str
    replicas: dict[str, int]  # of the roles that have tasks
    servers: list[str]  # roles that run the built-in TensorFlow server
    program: Program
    serverImports: list[str]
    gpus: dict[str, int]  # of the roles that have GPUs
    checkpointDir: str  # "": none
    checkpointClaim: str
    completion: Completion
    restart: Restart
    deadlines: Deadlines
    logs: Logs | None  # None: output is not kept
    cleanup: Cleanup


class JobSpec(_JobSpec, total=False):
    """job.json: all that pods and the lifecycle know about a job. Made by the chart, and alike by the tool."""

    progress: ProgressSources  # older charts: none
    devices: list[str]  # roles whose `resources` ask for devices beside `gpus`; older charts: none
    gang: bool  # Kubernetes' own scheduler is to start all tasks together, or none; older charts: none
    env: dict[str, dict[str, str]]  # role -> the texts of its `env` with references, by name; older charts: none
    programs: dict[str, Program]  # of the roles that have their own
    record: RecordedSettings  # older charts, and local jobs: none
    addresses: dict[str, list[str]]  # a local job: `host:port` of each task of a role


class ProgressDocument(TypedDict):
    """How far a program is, as its file, its termination message and PID 1 say it."""

    step: int
    total: int | None
    loss: float | None
    rate: float | None  # steps per second
    age: float  # seconds since the program wrote it
    metrics: dict[str, float]
    source: Source


class UsageDocument(TypedDict, total=False):
    """What a task's container used since its program began, as PID 1 says it; what is not known is left out."""

    seconds: float
    cpuSeconds: float
    cpuLimit: float  # CPUs
    throttledShare: float  # of the kernel's periods, those in which the limit stopped the container
    memoryPeakBytes: int  # anonymous and shared memory, without the page cache
    memoryLimitBytes: int
    gpuShare: float  # the mean of all looks and GPUs
    gpuMemoryPeakBytes: int  # of all GPUs together
    tensorflow: str  # the version that its program loaded


class DoneMarker(TypedDict):
    """done.json: how a task ended that is not run again in this pod."""

    code: int
    why: str


class _StatusProgress(TypedDict):
    step: int
    total: int | None
    loss: float | None
    rate: float | None
    task: str
    time: str


class StatusProgress(_StatusProgress, total=False):
    """The job's progress in status.json."""

    metrics: dict[str, float]
    source: Source  # absent: the program


class StatusRole(TypedDict):
    """The tasks of a role in status.json."""

    replicas: int
    running: int
    succeeded: int
    restarts: int


class StatusWave(TypedDict):
    """Failures that count as one, in status.json. `absorbed` is stored apart, in handled.json."""

    start: str
    origin: str
    counted: bool


class StatusMoment(TypedDict):
    """Something that happened to a run, in the words of its Event, in status.json."""

    time: str
    reason: str
    message: str


class StatusPoint(TypedDict):
    """The program's step at a time, in status.json."""

    time: str
    step: int
    loss: float | None


class StatusChange(TypedDict):
    """From a time on so many tasks run, and so many are done, in status.json."""

    time: str
    running: int
    done: int


class _StatusRecord(TypedDict):
    startTime: str
    settings: dict[str, str]  # plain sizes, numbers, images, names of scripts; `#` and a mark for any other text
    events: list[StatusMoment]
    steps: list[StatusPoint]
    restarts: int  # once the run is over
    lastLine: str  # the same


class StatusRecord(_StatusRecord, total=False):
    """What is kept of a run, in status.json: all of it bounded."""

    metrics: dict[str, list[float | None]]  # of a few metrics, the value at each of the steps
    usage: dict[str, UsageDocument]  # task -> what it used, of those that used most; once the run is over
    tensorflow: list[str]  # the versions that its tasks loaded, as far as they are known: one, if all is well
    timelines: dict[str, list[StatusChange]]  # role, or task, of few tasks all, of many those that were started again


class _StatusOutcome(TypedDict):
    runId: str
    phase: EndPhase
    reason: Reason
    message: str
    completionTime: str


class StatusOutcome(_StatusOutcome, total=False):
    """How an earlier run ended, in status.json."""

    record: StatusRecord  # older charts: none


class _StatusDocument(TypedDict):
    version: Literal[1]
    runId: str
    phase: Phase
    startTime: str  # of the run or of its last resumption
    freed: bool
    failures: int
    backoffLimit: int
    restarts: int
    evaluatorFailed: bool


class StatusDocument(_StatusDocument, total=False):
    """status.json: the state of a run. Times are RFC 3339 in UTC; what is empty is left out."""

    reason: Reason
    message: str
    incarnation: str  # tells this run from one with the same values before it, or after an uninstall
    queuedSeconds: float  # since startTime, in which all tasks that did not run waited in a queue
    queuedSince: str  # they do now
    runningTime: str  # all tasks ran for the first time since startTime
    trainingSucceededTime: str  # the deciding tasks had exited 0
    completionTime: str
    decidingTask: str
    exitCode: int  # of the deciding task
    lastLine: str  # that it printed before it failed: its exception, or the last line that means something
    hint: str  # what to do about it, where the failure is a known one
    progress: StatusProgress
    progressContainer: str  # `<pod uid> <restarts>` of the container that reported it
    allRunningSince: str
    hungBefore: str  # programs in pods created no later than this hang, and are replaced
    roles: dict[str, StatusRole]
    succeeded: dict[str, str]  # role -> ranges of indexes: `0-3,7`
    wave: StatusWave
    usage: dict[str, UsageDocument]  # task -> what it used, of the container that ran longest; of many tasks, extremes
    slow: list[str]  # tasks that were slower than their peers
    doubts: list[str]  # what was seen of a program that succeeded and may have done less than it seems
    worked: bool  # a program that failed had saved or reported something before
    history: list[StatusOutcome]
    record: StatusRecord


class HandledDocument(TypedDict):
    """handled.json: what only the next controller needs; it grows with the tasks that failed."""

    handled: dict[str, str]  # task -> `<pod uid> <number of exits dealt with>`
    absorbed: dict[str, int]  # task -> failures that the wave has taken in
    unstartable: dict[str, str]  # task -> since when its pod cannot start
    repeated: dict[str, str]  # task -> `<exit status> <times in a row>` of failures soon after the start
    excused: dict[str, str]  # task -> until when its uncounted ends are used up
