"""The job's state machine: (job, state, observation) -> (state, actions). Pure: no clock, no input or output.

The lifecycle Job and `tfconfig run` are two adapters around `decide`. They bring an observation of the whole job,
store the new state, and only then carry out the actions; both may happen again, late, or after a restart of the
adapter, since every action names the state of things to reach and not a step towards it.

What is seen                              | what it means
------------------------------------------|-------------------------------------------------------------------------
program exits 0                           | its task succeeded in this run, for good: later exits of it do not count
every deciding task succeeded             | Succeeded, once an evaluator ended or `evaluatorGraceSeconds` are over
program exits with an uncounted exit code | restarts, not counted
program exits with another status         | Never, or ExitCode and not retryable: Failed. Else restarts and counts
built-in server says that it was ready    | restarts, not counted (a disruption)
built-in server exits without that        | as a program that failed: not able to start, or killed for want of memory
exit because of SIGTERM; pod replaced     | restarts, not counted (a disruption), exit 0 included
pod deleted or evicted                    | the exit that this ends in is not counted either, but 0 is a success
more than `backoffLimit` counted failures | Failed
`activeSeconds` over                      | Failed
`startSeconds` over, tasks that never ran | Failed, naming them
a pod `unstartableSeconds` not startable  | Failed, with Kubernetes' reason
`stallSeconds` without another step       | counts as a failure, and every program of the training is replaced
back-off longer than BACKOFF_SECONDS      | that pod is deleted, which starts it afresh
pod of a lost node                        | nodeLoss Wait: said in the message. Replace: deleted by force after a grace
suspend                                   | Suspended: all freed, failures on the way not counted; then it may go on
another run is wanted                     | every pod of the old run goes before the new run's tasks start
a run that ended is wanted (rollback)     | it has ended: its outcome stands
Succeeded or Failed                       | never changes; cleanup Delete: sets at 0 and no pod left. Then: finish

Failures count once per wave: a task that falls brings its peers down, and a chief may fail again while it reconnects.
A wave opens with a failure or disruption of one task and takes in what the others do for WAVE_SECONDS, at most
ABSORBED failures of each. It counts one failure as soon as one of its failures is a program's. The task that opened
the wave is not excused by it, so a program that keeps failing ends its job.

One task tells the progress of the job (`reporter`). The clock of `stallSeconds` starts with the first step that the
program tells, anew after each restart of it, and stands while any task does not run. Who really hangs cannot be seen
from outside: in a hung collective everybody waits. So every program but the evaluator goes; built-in servers stay,
since a new chief uses them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..task.job_spec import REACHED, SERVED, STOPPED, JobSpec, Task, may_restart, name, runs_server, tasks
from ..task.progress import checked
from .state import (
    FAILED,
    PENDING,
    RESTARTING,
    RUNNING,
    SUCCEEDED,
    SUSPENDED,
    Action,
    Delete,
    Event,
    Exit,
    Finish,
    Observation,
    Outcome,
    Pod,
    Progress,
    Reading,
    Scale,
    State,
    Wave,
)

WAVE_SECONDS = 30.0
ABSORBED = 2
BACKOFF_SECONDS = 20.0
SILENT_SECONDS = 15.0  # after a pod had to be gone, its node is told as one that does not answer
LOST_SECONDS = 60.0  # and so long it is waited for: after the API server was away, kubelets ask again within that
HISTORY = 10
TOLD = 10  # tasks whose exits are told one by one at a time

# Waiting reasons that do not go away by waiting, as the kubelet writes them (kubernetes/pkg/kubelet/images/types.go,
# kuberuntime/kuberuntime_container.go).
NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "ErrImageNeverPull", "InvalidImageName"}
NO_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "CreatePodSandboxError", "InitContainerFailed"}
UNSTARTABLE = NO_IMAGE | NO_CONTAINER | {"RegistryUnavailable"}

TAKING_OVER = "TakingOver"
DRAINING = "EvaluatorDraining"
STALLED = "Stalled"


def decide(job: JobSpec, state: State, seen: Observation) -> tuple[State, list[Action]]:
    """The next state of the job and what to do now; see the table above.

    Total: every combination of arguments has an answer, and the same observation again changes nothing.
    """
    actions: list[Action] = []
    if state.run_id != job["runId"] or state.reason == TAKING_OVER:
        state = _take_over(job, state, seen, actions)
        if state.reason == TAKING_OVER:
            return state, actions
    before = state
    if state.phase == SUSPENDED and not seen.suspend:
        if len(seen.pods) > len(_lost(seen.pods.values(), seen.now)):
            seen = replace(seen, suspend=True)  # what ran before goes first: it may be parked, or fall late
        else:
            state = replace(state, started=seen.now, running=None, stuck=None)
    if not state.ended:
        mine = {task: pod for task, pod in seen.pods.items() if pod.run_id == job["runId"]}
        state = _take_in_progress(job, state, seen.reading, mine)
        state = _judge(job, state, seen, mine, actions)
    if state.ended:
        state = _end(job, state, seen, actions)
    elif seen.suspend:
        state = _suspend(job, state, seen, actions)
    else:
        state = _drive(job, state, seen, mine, actions)
    if (state.phase, state.reason) != (before.phase, before.reason):
        actions.insert(0, announcement(state))
    return state, actions


def announcement(state: State) -> Event:
    """How the phase is told as an Event."""
    kind = "Warning" if state.phase in (FAILED, RESTARTING) else "Normal"
    return Event(kind, state.phase, f"{state.reason}: {state.message}" if state.reason else state.message)


# --- runs ---------------------------------------------------------------------------------------------------------


def _take_over(job: JobSpec, state: State, seen: Observation, actions: list[Action]) -> State:
    """Take down whatever belongs to another run, then begin this one."""
    history = state.history
    if state.ended and state.run_id != job["runId"]:
        outcome = Outcome(state.run_id, state.phase, state.reason, state.message, state.finished or seen.now)
        history = (*(past for past in history if past.run_id != state.run_id), outcome)[-HISTORY:]
    old = [pod for pod in seen.pods.values() if pod.run_id != job["runId"]]
    if not old and (not state.run_id or all(size.observed for size in seen.sets.values())):
        return _begin(job, history, seen)
    actions += [Scale(role, 0) for role, size in seen.sets.items() if size.desired]
    actions += _deletions(job, old) + _replacements(job, old, seen.now)
    message = f"waiting for {len(old)} pods of run {old[0].run_id} to go" if old else "waiting for the StatefulSets"
    lost = _lost(old, seen.now, SILENT_SECONDS)
    if lost:
        message += f"; {_lost_message(job, lost)}"
    run = state.run_id or old[0].run_id  # whose pods the new run's tasks have to wait for
    return State(run, PENDING, TAKING_OVER, message, state.started, history=history)


def _begin(job: JobSpec, history: tuple[Outcome, ...], seen: Observation) -> State:
    for past in history:
        if past.run_id == job["runId"]:
            end = past.finished
            return State(past.run_id, past.phase, past.reason, past.message, end, finished=end, history=history)
    return State(run_id=job["runId"], started=seen.now, history=history, message=f"starting {len(tasks(job))} tasks")


# --- what happened ------------------------------------------------------------------------------------------------


def _judge(job: JobSpec, state: State, seen: Observation, mine: Mapping[Task, Pod], actions: list[Action]) -> State:
    """Deal with everything that happened and was not dealt with yet, then with deadlines."""
    news, notes = _news(state, mine)
    if state.wave:  # a copy of our own to change in place: thousands may fall at once
        state = replace(state, wave=replace(state.wave, absorbed=dict(state.wave.absorbed)))
    succeeded, restarts = set(state.succeeded), state.restarts
    undecided = set(deciding_tasks(job)) - succeeded
    hung = {pod.uid for pod in _hung(job, state, mine)}  # whose restarts were counted with the stall
    for when, pod, exit_ in news:
        if pod.task in succeeded or state.ended:
            continue
        if exit_ is None:
            state = _disruption(state, pod.task, when)
        elif exit_.code == 0 and not exit_.message.startswith(STOPPED) and not runs_server(job, pod.task.role):
            state = _last_progress(job, state, pod.task, exit_)
            succeeded.add(pod.task)
            undecided.discard(pod.task)
        elif not undecided or seen.suspend:
            # Training is over or suspended: peers that fall now say nothing. A failed evaluator is not waited for.
            failed = not undecided and pod.task.role == "evaluator" and not _disrupted(job, pod, exit_)
            state = replace(state, drained=True) if failed else state
        else:
            state = _judge_exit(job, state, pod, exit_, actions)
            restarts += not state.ended and pod.uid not in hung
    if len(actions) > TOLD:
        actions[TOLD:] = [Event("Normal", "TasksEnded", f"{len(actions) - TOLD} more exits")]
    notes = {task: note for task, note in notes.items() if task not in succeeded}
    decided = None if undecided else state.decided
    state = replace(state, succeeded=frozenset(succeeded), seen=notes, restarts=restarts, decided=decided)
    if state.ended:
        return replace(state, finished=seen.now)
    if not undecided:
        return _drain(job, state, seen.now)
    if not seen.suspend:
        state = _judge_time(job, state, seen, mine)
    return state if seen.suspend or state.ended else _judge_stall(job, state, seen, mine, actions)


def _news(
    state: State, pods: Mapping[Task, Pod]
) -> tuple[list[tuple[float, Pod, Exit | None]], dict[Task, tuple[str, int]]]:
    """What happened and was not dealt with yet, oldest first, success before failure; and `state.seen` with it.

    Kubernetes keeps the last two exits of a pod; others that its restart count proves are taken to have ended as the
    oldest one kept. No exit stands for a pod made after all tasks ran: one was lost, a disruption.
    """
    news: list[tuple[float, Pod, Exit | None]] = []
    # An absent pod may only be late in being seen.
    notes = {task: note for task, note in state.seen.items() if task not in pods}
    for task, pod in pods.items():
        if task in state.succeeded:
            continue
        uid, done = state.seen.get(task, ("", 0))
        known = uid == pod.uid
        if not known:
            done = 0
            if state.running is not None and pod.created > state.running:
                news.append((pod.created, pod, None))
                known = True
        kept = [exit_ for exit_ in (pod.last if pod.restarts else None, pod.current) if exit_]
        total = pod.restarts + (1 if pod.current else 0)
        if kept and total > done:
            exits = [kept[0]] * (total - len(kept)) + kept
            news += [(exit_.finished, pod, exit_) for exit_ in exits[done:]]
            done = total
        if known or done:
            notes[task] = (pod.uid, done)
    return sorted(news, key=lambda item: (item[0], item[2] is not None and item[2].code != 0)), notes


def _disrupted(job: JobSpec, pod: Pod, exit_: Exit) -> bool:
    """Whether an exit has its cause outside of the task, as far as that can be told."""
    if exit_.message.startswith(STOPPED) or (exit_ is pod.current and (pod.deleted is not None or pod.disrupted)):
        return True
    return runs_server(job, pod.task.role) and exit_.message.startswith(SERVED)


def _judge_exit(job: JobSpec, state: State, pod: Pod, exit_: Exit, actions: list[Action]) -> State:
    """What an exit means that is no success."""
    task, code = pod.task, exit_.code
    said = f"{name(task)} {_words(exit_)}"
    if _disrupted(job, pod, exit_):
        actions.append(Event("Normal", "TaskDisrupted", f"{said}; not counted"))
        return _disruption(state, task, exit_.finished)
    if code in job["restart"]["uncountedExitCodes"]:
        actions.append(Event("Normal", "TaskRestarts", f"{said}; not counted (uncountedExitCodes)"))
        return _disruption(state, task, exit_.finished)
    if code != 0 and not may_restart(job, code):
        policy = job["restart"]["policy"]
        return _fail(state, task, code, "TaskFailed", f"{said}; restart.policy {policy} does not restart it")
    state, counted = _count(state, task, exit_.finished)
    limit = job["restart"]["backoffLimit"]
    if state.failures > limit:
        message = f"{said}; {state.failures} failures, restart.backoffLimit is {limit}"
        return _fail(state, task, code, "BackoffLimitExceeded", message)
    note = f"failure {state.failures} of {limit} allowed" if counted else "part of the same wave, not counted again"
    actions.append(Event("Warning", "TaskFailed", f"{said}; {note}"))
    return state


def _words(exit_: Exit) -> str:
    """How an exit is told: its status, Kubernetes' reason, and the signal it stands for."""
    reason = "" if exit_.reason in ("", "Error", "Completed") else f" ({exit_.reason})"
    signal = f", killed by signal {exit_.code - 128}" if 128 < exit_.code < 160 else ""
    return f"exited {exit_.code}{reason}{signal}"


def _fail(state: State, task: Task | None, code: int | None, reason: str, message: str) -> State:
    return replace(state, phase=FAILED, reason=reason, message=message, decider=task, exit_code=code)


def _count(state: State, task: Task, when: float) -> tuple[State, bool]:
    """Count a failure, unless the wave it belongs to has counted."""
    wave = state.wave
    absorbed = wave.absorbed.get(task, 0) if wave else 0
    if wave is None or abs(when - wave.start) > WAVE_SECONDS or task == wave.origin or absorbed >= ABSORBED:
        return replace(state, wave=Wave(when, task, True), failures=state.failures + 1), True
    wave.absorbed[task] = absorbed + 1
    if wave.counted:
        return state, False
    start = min(wave.start, when)
    return replace(state, wave=replace(wave, start=start, counted=True), failures=state.failures + 1), True


def _disruption(state: State, task: Task, when: float) -> State:
    """Open a wave with this task, or name it as the cause of the wave that a failure opened."""
    wave = state.wave
    if wave is None or abs(when - wave.start) > WAVE_SECONDS:
        return replace(state, wave=Wave(when, task, False))
    if wave.origin == task or not wave.counted:
        return state
    wave.absorbed[wave.origin] = wave.absorbed.get(wave.origin, 0) + 1
    return replace(state, wave=replace(wave, origin=task))


def deciding_tasks(job: JobSpec) -> list[Task]:
    """The tasks that decide success: all must have exited 0. AllWorkers counts the chief, a worker in TensorFlow."""
    policy = job["completion"]["successPolicy"]
    if policy == "Chief":
        return [Task("chief", 0)]
    if policy == "Worker0":
        return [Task("worker", 0)]
    return [task for task in tasks(job) if task.role in ("chief", "worker")]


def _drain(job: JobSpec, state: State, now: float) -> State:
    """The deciding tasks have succeeded: wait for the evaluator, within its grace, then the run has succeeded."""
    decided = now if state.decided is None else state.decided
    evaluator = Task("evaluator", 0)
    grace = job["completion"]["evaluatorGraceSeconds"]
    waiting = evaluator in tasks(job) and evaluator not in state.succeeded and not state.drained
    deciding = deciding_tasks(job)
    state = replace(state, decided=decided, decider=deciding[0], exit_code=0)
    if waiting and now < decided + grace:
        return state
    message = f"{_names(deciding)} exited 0"
    if waiting and grace:
        message += f"; {name(evaluator)} still ran {grace} s later and is ended"
    elif state.drained:
        message += f"; then {name(evaluator)} failed"
    return replace(state, phase=SUCCEEDED, reason="Completed", message=message, finished=now)


def _judge_time(job: JobSpec, state: State, seen: Observation, mine: Mapping[Task, Pod]) -> State:
    """Deadlines, and pods that will never start."""
    deadlines = job["deadlines"]
    active, start = deadlines["activeSeconds"], deadlines["startSeconds"]
    if active is not None and seen.now - state.started >= active:
        message = f"the run was still active after deadlines.activeSeconds ({active} s)"
        return replace(_fail(state, None, None, "DeadlineExceeded", message), finished=seen.now)
    absent = _not_running(job, state, mine)
    if not absent and state.running is None:
        state = replace(state, running=seen.now)
    if start is not None and state.running is None and seen.now - state.started >= start:
        message = f"not all tasks ran within deadlines.startSeconds ({start} s): {_waiting(job, absent, seen, mine)}"
        return replace(_fail(state, absent[0], None, "StartDeadlineExceeded", message), finished=seen.now)
    stuck = [task for task in absent if task in mine and mine[task].reason in UNSTARTABLE]
    if not stuck:
        return replace(state, stuck=None)
    if state.stuck is None or state.stuck[0] not in stuck:
        return replace(state, stuck=(stuck[0], seen.now))
    task, since = state.stuck
    limit = deadlines["unstartableSeconds"]
    if limit is not None and seen.now - since >= limit:
        message = f"{_waiting(job, [task], seen, mine)} (for {limit} s, deadlines.unstartableSeconds)"
        return replace(_fail(state, task, None, "PodsCannotStart", message), finished=seen.now)
    return state


# --- progress -----------------------------------------------------------------------------------------------------


def reporter(job: JobSpec, state: State) -> Task | None:
    """The task that tells the job's progress: the first of the deciding tasks that is not done."""
    return next((task for task in deciding_tasks(job) if task not in state.succeeded), None)


def _take_in_progress(job: JobSpec, state: State, reading: Reading | None, mine: Mapping[Task, Pod]) -> State:
    if state.stalled is not None and not _hung(job, state, mine):
        state = replace(state, stalled=None)
    if reading is None or reading.progress.task != reporter(job, state):
        return state
    new, old, teller = reading.progress, state.progress, (reading.uid, reading.restarts)
    pod = mine.get(new.task)
    if pod is None or (pod.uid, pod.restarts) != teller or pod.deleted is not None:
        return state  # of a container that is no more
    if state.stalled is not None and pod.created <= state.stalled:
        return state
    if old is not None and old.task == new.task and state.teller == teller:
        if old.step == new.step:
            new = replace(new, time=old.time, rate=old.rate if new.rate is None else new.rate)
        elif new.rate is None and new.step > old.step and new.time > old.time:
            new = replace(new, rate=(new.step - old.step) / (new.time - old.time))
    return replace(state, progress=new, teller=teller)


def _last_progress(job: JobSpec, state: State, task: Task, exit_: Exit) -> State:
    """A program that succeeded leaves word how far it came: it cannot be asked any more."""
    said = checked(exit_.message[len(REACHED) :].encode()) if exit_.message.startswith(REACHED) else None
    if said is None or task != reporter(job, state):
        return state
    when = round(max(0.0, exit_.finished - said["age"]), 3)
    told = Progress(task, said["step"], said["total"], said["loss"], said["rate"], when)
    if told.rate is None and state.progress and state.progress.task == task:
        told = replace(told, rate=state.progress.rate)
    return replace(state, progress=told, teller=None)


def _judge_stall(
    job: JobSpec, state: State, seen: Observation, mine: Mapping[Task, Pod], actions: list[Action]
) -> State:
    """Whether the program that told its progress has told no other step for `stallSeconds`."""
    if _not_running(job, state, mine):
        return replace(state, settled=None)
    state = replace(state, settled=seen.now if state.settled is None else state.settled)
    told = state.progress
    pod = mine.get(told.task) if told else None
    if pod is None or (pod.uid, pod.restarts) != state.teller:
        state = replace(state, teller=None)
    limit, since = job["deadlines"].get("stallSeconds"), stall_begins(job, state)
    if limit is None or told is None or since is None or seen.reading is None:
        return state
    # Counted up to when it was asked: without an answer nothing is known.
    if (seen.reading.uid, seen.reading.restarts) != state.teller or seen.reading.asked - since < limit:
        return state
    said = f"{name(told.task)}: no progress for {limit} s, last at step {told.step}"
    policy = job["restart"]["policy"]
    if policy == "Never":
        message = f"{said}; restart.policy Never does not restart it"
        return replace(_fail(state, told.task, None, STALLED, message), finished=seen.now)
    state, counted = _count(state, told.task, seen.now)
    allowed = job["restart"]["backoffLimit"]
    if state.failures > allowed:
        message = f"{said}; {state.failures} failures, restart.backoffLimit is {allowed}"
        return replace(_fail(state, told.task, None, "BackoffLimitExceeded", message), finished=seen.now)
    note = f"failure {state.failures} of {allowed} allowed" if counted else "part of the same wave, not counted again"
    actions.append(Event("Warning", "TaskStalled", f"{said}; {note}"))
    hung = _programs(job, state, mine)
    restarts = state.restarts + len(hung)
    return replace(state, teller=None, stalled=max(pod.created for pod in hung), restarts=restarts)


def stall_begins(job: JobSpec, state: State) -> float | None:
    """From when on `stallSeconds` count; None while they do not."""
    if job["deadlines"].get("stallSeconds") is None or state.progress is None or state.teller is None:
        return None
    return None if state.settled is None or state.decided is not None else max(state.progress.time, state.settled)


def _programs(job: JobSpec, state: State, mine: Mapping[Task, Pod]) -> list[Pod]:
    """The pods whose programs take part in the training and are not done."""
    return [
        pod
        for task, pod in mine.items()
        if task.role != "evaluator" and task not in state.succeeded and not runs_server(job, task.role)
    ]


def _hung(job: JobSpec, state: State, mine: Mapping[Task, Pod]) -> list[Pod]:
    """The pods that a stall is to replace and that are still there."""
    if state.stalled is None:
        return []
    return [pod for pod in _programs(job, state, mine) if pod.created <= state.stalled]


# --- what to do ---------------------------------------------------------------------------------------------------


def _drive(job: JobSpec, state: State, seen: Observation, mine: Mapping[Task, Pod], actions: list[Action]) -> State:
    """The run goes on: every set at its size, restarts that would take long done at once."""
    draining = state.decided is not None
    for role, size in seen.sets.items():
        if draining and role != "evaluator" and job["cleanup"]["onSuccess"] != "Keep":
            actions += _release(job, seen, [role])
        elif size.desired != job["replicas"].get(role, 0):
            actions.append(Scale(role, job["replicas"].get(role, 0)))
    if draining:
        return replace(state, phase=RUNNING, reason=DRAINING, message="training has succeeded; the evaluator finishes")
    for pod in mine.values():
        if pod.backoff >= BACKOFF_SECONDS and pod.deleted is None and pod.task not in state.succeeded:
            actions.append(Event("Normal", "TaskRecreated", f"{name(pod.task)}: not waiting {pod.backoff:.0f} s"))
            actions.append(Delete(pod.task, pod.uid))
    strays = [pod for pod in seen.pods.values() if pod.run_id != job["runId"]] + _hung(job, state, mine)
    actions += _deletions(job, strays) + _replacements(job, seen.pods.values(), seen.now)
    absent = _not_running(job, state, mine)
    if not absent:
        return replace(state, phase=RUNNING, reason="", message=f"all {len(tasks(job))} tasks run or are done")
    phase = PENDING if state.running is None else RESTARTING
    return replace(state, phase=phase, reason="WaitingForTasks", message=_waiting(job, absent, seen, mine))


def _suspend(job: JobSpec, state: State, seen: Observation, actions: list[Action]) -> State:
    actions += _release(job, seen, seen.sets)
    left = len(seen.pods)
    message = f"suspended; {left} pods are still ending" if left else "suspended; nothing is held"
    return replace(state, phase=SUSPENDED, reason="Suspended", message=message, settled=None)


def _end(job: JobSpec, state: State, seen: Observation, actions: list[Action]) -> State:
    """Free everything, then finish; or keep everything, if the user wants to look at it."""
    success = state.phase == SUCCEEDED
    if job["cleanup"]["onSuccess" if success else "onFailure"] != "Keep":
        actions += _release(job, seen, seen.sets)
        if _held(seen):
            return state
        state = replace(state, freed=not seen.pods)
    actions.append(Finish(success))
    return state


def _release(job: JobSpec, seen: Observation, roles: Iterable[str]) -> list[Action]:
    """Sets to 0, and their pods deleted by name as well: 0 alone frees 20 tasks a second."""
    roles = set(roles)
    actions: list[Action] = [Scale(role, 0) for role, size in seen.sets.items() if role in roles and size.desired]
    return actions + _deletions(job, (pod for pod in seen.pods.values() if pod.task.role in roles))


def _held(seen: Observation) -> bool:
    """Whether anything is left to free. A pod on a lost node is not waited for: nobody else can use what it holds."""
    lost = _lost(seen.pods.values(), seen.now)
    if len(seen.pods) > len(lost):
        return True
    return any(
        size.desired or not size.observed or size.current > sum(pod.task.role == role for pod in lost)
        for role, size in seen.sets.items()
    )


def _deletions(job: JobSpec, pods: Iterable[Pod]) -> list[Action]:
    """Pods that hold GPUs first."""
    todo = sorted((pod for pod in pods if pod.deleted is None), key=lambda pod: -job["gpus"].get(pod.task.role, 0))
    return [Delete(pod.task, pod.uid) for pod in todo]


def _lost(pods: Iterable[Pod], now: float, seconds: float = LOST_SECONDS) -> list[Pod]:
    """Pods still there so long after the time they had to be gone by: their node does not answer."""
    return [pod for pod in pods if pod.deleted is not None and now > pod.deleted + seconds]


def _replacements(job: JobSpec, pods: Iterable[Pod], now: float) -> list[Action]:
    if job["restart"]["nodeLoss"] != "Replace":
        return []
    grace = job["restart"]["nodeLossGraceSeconds"]
    return [
        Delete(pod.task, pod.uid, force=True)
        for pod in pods
        if pod.deleted is not None and now > pod.deleted + max(grace, SILENT_SECONDS)
    ]


# --- how it is told -----------------------------------------------------------------------------------------------


def _not_running(job: JobSpec, state: State, mine: Mapping[Task, Pod]) -> list[Task]:
    """Tasks that neither run nor are done."""
    return [
        task
        for task in tasks(job)
        if task not in state.succeeded
        and (task not in mine or mine[task].status != "Running" or mine[task].deleted is not None)
    ]


def _waiting(job: JobSpec, absent: list[Task], seen: Observation, mine: Mapping[Task, Pod]) -> str:
    """What is waited for: the first few tasks, each with its reason."""
    total = len(tasks(job))
    told = [f"{name(task)}: {_why(job, task, seen, mine.get(task))}" for task in absent[:3]]
    more = f" (and {len(absent) - 3} more of {total})" if len(absent) > 3 else ""
    return "; ".join(told) + more


def _why(job: JobSpec, task: Task, seen: Observation, pod: Pod | None) -> str:
    if pod is None:
        return seen.missing.get(task.role) or "no pod yet"
    if _lost([pod], seen.now, SILENT_SECONDS):
        return _lost_message(job, [pod])
    if pod.deleted is not None:
        return "its pod is being deleted"
    words = ": ".join(word for word in (pod.reason, pod.message) if word)
    if pod.backoff:
        words = f"restarts after a back-off of {pod.backoff:.0f} s"
    return words or pod.status.lower()


def _lost_message(job: JobSpec, lost: list[Pod]) -> str:
    nodes = ", ".join(sorted({pod.node for pod in lost})[:3])
    wait = "" if job["restart"]["nodeLoss"] == "Replace" else "; restart.nodeLoss Wait: its pod is not replaced"
    return f"node {nodes} does not answer{wait}"


def _names(some: list[Task]) -> str:
    more = f" and {len(some) - 3} more" if len(some) > 3 else ""
    return ", ".join(name(task) for task in some[:3]) + more


def counts(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> dict[str, dict[str, int]]:
    """Per role how many tasks there are, run and have succeeded, and the restarts of the pods there are."""
    table = {role: {"replicas": size, "running": 0, "succeeded": 0, "restarts": 0} for role, size in _sizes(job)}
    for task in state.succeeded:
        if task.role in table:
            table[task.role]["succeeded"] += 1
    for task, pod in pods.items():
        if task.role in table and pod.run_id == job["runId"]:
            table[task.role]["restarts"] += pod.restarts
            table[task.role]["running"] += pod.status == "Running" and task not in state.succeeded
    return table


def _sizes(job: JobSpec) -> list[tuple[str, int]]:
    return [(role, size) for role, size in job["replicas"].items() if size]
