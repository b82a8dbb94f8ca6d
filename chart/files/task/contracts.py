"""The documents that the parts of a job exchange, as types: job.json, status.json, done.json and a program's progress.

docs/architecture.md describes who writes and who reads each of them. Only types: in the user's image, where Python may
be 3.6, nothing imports this file; TypedDict and Literal came with 3.8.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Role = Literal["chief", "worker", "ps", "evaluator"]

Phase = Literal["Pending", "Running", "Restarting", "Suspended", "Succeeded", "Failed"]

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


class Program(TypedDict):
    """The user's command line, before $(NAME) is replaced."""

    command: list[str]
    args: list[str]


class Completion(TypedDict):
    """When the training has succeeded."""

    successPolicy: Literal["Chief", "Worker0", "AllWorkers"]
    evaluatorGraceSeconds: int


class Restart(TypedDict):
    """What happens when a program fails or a node is lost."""

    policy: Literal["Never", "OnFailure", "ExitCode"]
    backoffLimit: int
    repeatLimit: int | None
    retryableExitCodes: list[int] | None
    uncountedExitCodes: list[int]
    nodeLoss: Literal["Wait", "Replace"]
    nodeLossGraceSeconds: int


class Deadlines(TypedDict):
    """Seconds; None: no limit."""

    activeSeconds: int | None
    startSeconds: int | None
    unstartableSeconds: int | None
    stallSeconds: int | None


class Cleanup(TypedDict):
    """What happens to the pods at the end."""

    onSuccess: Literal["Delete", "Keep"]
    onFailure: Literal["Delete", "Keep"]


class Logs(TypedDict):
    """The size in bytes and the number of the files that output is kept in."""

    maxBytes: int
    files: int


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

    devices: list[str]  # roles whose `resources` ask for devices beside `gpus`; older charts: none
    env: dict[str, dict[str, str]]  # role -> the texts of its `env` with references, by name; older charts: none
    programs: dict[str, Program]  # of the roles that have their own
    addresses: dict[str, list[str]]  # a local job: `host:port` of each task of a role


class ProgressDocument(TypedDict):
    """How far a program is, as its file, its termination message and PID 1 say it."""

    step: int
    total: int | None
    loss: float | None
    rate: float | None  # steps per second
    age: float  # seconds since the program wrote it


class DoneMarker(TypedDict):
    """done.json: how a task ended that is not run again in this pod."""

    code: int
    why: str


class StatusProgress(TypedDict):
    """The job's progress in status.json."""

    step: int
    total: int | None
    loss: float | None
    rate: float | None
    task: str
    time: str


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


class StatusOutcome(TypedDict):
    """How an earlier run ended, in status.json."""

    runId: str
    phase: Phase
    reason: Reason
    message: str
    completionTime: str


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
    runningTime: str  # all tasks ran for the first time since startTime
    trainingSucceededTime: str  # the deciding tasks had exited 0
    completionTime: str
    decidingTask: str
    exitCode: int  # of the deciding task
    progress: StatusProgress
    progressContainer: str  # `<pod uid> <restarts>` of the container that reported it
    allRunningSince: str
    hungBefore: str  # programs in pods created no later than this hang, and are replaced
    roles: dict[str, StatusRole]
    succeeded: dict[str, str]  # role -> ranges of indexes: `0-3,7`
    wave: StatusWave
    doubts: list[str]  # what was seen of a program that succeeded and may have done less than it seems
    worked: bool  # a program that failed had saved or reported something before
    history: list[StatusOutcome]


class HandledDocument(TypedDict):
    """handled.json: what only the next controller needs; it grows with the tasks that failed."""

    handled: dict[str, str]  # task -> `<pod uid> <number of exits dealt with>`
    absorbed: dict[str, int]  # task -> failures that the wave has taken in
    unstartable: dict[str, str]  # task -> since when its pod cannot start
    repeated: dict[str, str]  # task -> `<exit status> <times in a row>` of failures soon after the start
    excused: dict[str, str]  # task -> until when its uncounted ends are used up
