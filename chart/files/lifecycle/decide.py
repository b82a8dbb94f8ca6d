"""The job's state machine: (job, state, observation) -> (state, actions). Pure: no clock, no input or output.

The lifecycle Job and `tfconfig run` are two adapters around `decide`. They bring an observation of the whole job,
store the new state, and only then carry out the actions; both may happen again, late, or after a restart of the
adapter, since every action names the state to reach and not a step towards it.

What is seen                              | what it means
------------------------------------------|-------------------------------------------------------------------------
program exits 0                           | its task succeeded in this run, for good: later exits of it do not count
every deciding task succeeded             | Succeeded, once an evaluator ended or `evaluatorGraceSeconds` are over
the same in a role of `alwaysRoles`       | restarts, not counted: it is never done
program exits with an uncounted exit code | restarts, not counted
program exits with another status         | Never, or ExitCode and not retryable: Failed. Else restarts and counts
built-in server says that it was ready    | restarts, not counted (a disruption), within bounds (excuses.py)
built-in server exits without that        | as a program that failed: not able to start, or killed for want of memory
pod deleted, evicted or replaced          | restarts, not counted (a disruption), with exit 0 after SIGTERM included
the same, evicted by its kubelet          | not counted within bounds (excuses.py): the program may be the reason
exit because of SIGTERM in a pod that stays | a failure, exit 0 included: by a probe, or the program only claims it
more than `backoffLimit` counted failures | Failed
the same, `repeatLimit` times, at the start | Failed: no restart mends it (repeats.py says when that is so)
`activeSeconds` over, anew after a resume | Failed; time in a queue does not count (queues.py)
`startSeconds` over, tasks that never ran | Failed, naming them
a pod `unstartableSeconds` not startable  | Failed, with Kubernetes' reason
`stallSeconds` without another step       | Never: Failed. Else counts as a failure, and every program is replaced
back-off of BACKOFF_SECONDS or more       | that pod is deleted, which starts it anew
pod of a lost node                        | nodeLoss Wait: shown in the message. Replace: deleted by force after a grace
program that waits for an answer of it    | its pod is deleted, which starts it anew; not counted (hangs.py)
suspend                                   | Suspended: all freed, failures on the way not counted; then it may resume
another run is desired                    | every pod of the old run goes before the new run's tasks start
the same before the old run has ended     | its outcome in the history is Replaced
a run that ended is desired (rollback)    | it has ended: its outcome stands; a replaced one starts again
Succeeded or Failed                       | never changes; cleanup Delete: no set and pod left; Keep: none with GPUs

The rows are carried out by: exits.py, waves.py (what counts as one failure), repeats.py, stalls.py, deadlines.py,
endings.py, freeing.py (what is taken away, in which order), hangs.py, waiting.py (the message meanwhile).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..task.contracts import JobSpec, Phase
from ..task.job_spec import Task, name, tasks
from . import hangs
from .deadlines import check_deadlines
from .endings import succeed
from .exits import handle_exits
from .freeing import SILENT_SECONDS, deletions, free, freed_roles, holds_anything, in_order, lost, replacements
from .gang import gang_events, gang_text
from .record import past_record, recorded
from .slow import take_in_slow
from .stalls import check_stall, hung_pods, take_in_progress, waits_for_done
from .state import (
    FAILED,
    PENDING,
    REPLACED,
    RESTARTING,
    RUNNING,
    SUCCEEDED,
    SUSPENDED,
    TAKING_OVER,
    WAITING,
    WAITING_FOR_EVALUATOR,
    Action,
    Delete,
    Event,
    Finish,
    Observation,
    Outcome,
    Pod,
    Scale,
    State,
)
from .text import plural
from .training import deciding_tasks, not_running
from .usage import take_in_usage
from .waiting import lost_text, running_text, waiting_text

BACKOFF_SECONDS = 20.0
MAX_HISTORY = 10  # outcomes of earlier runs that are kept


def decide(job: JobSpec, state: State, observation: Observation) -> tuple[State, list[Action]]:
    """The next state of the job and what to do now, in order; see the table above.

    Total: every combination of arguments has an answer, and the same observation again changes nothing.
    """
    state, actions = _decide(job, state, observation)
    return recorded(job, state, actions, observation.now, observation.chart, observation.pods), actions


def _decide(job: JobSpec, state: State, observation: Observation) -> tuple[State, list[Action]]:
    actions: list[Action] = []
    if state.run_id != job["runId"] or state.reason == TAKING_OVER:
        state, actions = _take_over(job, state, observation)
        if state.reason == TAKING_OVER:
            return state, in_order(job, state, actions)
    before = state
    if state.phase == SUSPENDED and not observation.suspend:
        if len(observation.pods) > len(lost(observation.pods.values(), observation.now)):
            observation = replace(
                observation, suspend=True
            )  # what ran before goes first: it may be parked, or fail late
        else:
            state = replace(state, started=observation.now, queued_seconds=0.0, queued_since=None, all_ran=None)
            state = replace(state, unstartable={})
    pods = {task: pod for task, pod in observation.pods.items() if pod.run_id == job["runId"]}
    if not state.ended:
        state, events = _judge(job, state, observation, pods)
        actions += events
    if state.ended:
        state, todo = _end(job, state, observation)
    elif observation.suspend:
        state, todo = _suspend(job, state, observation)
    else:
        state, todo = _drive(job, state, observation, pods)
    actions += todo
    if (state.phase, state.reason) != (before.phase, before.reason):
        actions.insert(0, announcement(state))
    return state, in_order(job, state, actions)


def announcement(state: State) -> Event:
    """The Event of a phase."""
    text = f"{state.reason}: {state.message}" if state.reason else state.message
    if state.last_line and not text.endswith(state.last_line):
        text += f": {state.last_line}"
    return Event("Warning" if state.phase in (FAILED, RESTARTING) else "Normal", state.phase, text)


# --- runs ---------------------------------------------------------------------------------------------------------


def _take_over(job: JobSpec, state: State, observation: Observation) -> tuple[State, list[Action]]:
    """Take down whatever belongs to another run, then begin this one."""
    history = state.history
    if state.run_id and state.reason != TAKING_OVER:
        others = (past for past in history if past.run_id != state.run_id or past.phase == REPLACED)
        history = (*others, _outcome(job, state, observation.now))[-MAX_HISTORY:]
    old = [pod for pod in observation.pods.values() if pod.run_id != job["runId"]]
    if not old and (not state.run_id or all(size.observed for size in observation.sets.values())):
        return _begin(job, history, observation.now), []
    actions: list[Action] = [Scale(role, 0) for role, size in observation.sets.items() if size.desired]
    actions += deletions(job, old) + replacements(job, old, observation.now)
    message = (
        f"waiting for {plural(len(old), 'pod')} of run {old[0].run_id} to go"
        if old
        else "waiting for the StatefulSet controller"
    )
    silent = lost(old, observation.now, SILENT_SECONDS)
    if silent:
        message += f"; {lost_text(job, silent)}"
    run_id = state.run_id or old[0].run_id  # whose pods the new run's tasks have to wait for
    return State(run_id, PENDING, TAKING_OVER, message, state.started, history=history), actions


def _outcome(job: JobSpec, state: State, now: float) -> Outcome:
    """How the run ended that this one follows."""
    if state.phase in (SUCCEEDED, FAILED):
        return Outcome(
            state.run_id, state.phase, state.reason, state.message, state.finished or now, past_record(state)
        )
    message = f"run {job['runId']} took its place while it was {state.phase}"
    return Outcome(state.run_id, REPLACED, "", message, now, past_record(state))


def _begin(job: JobSpec, history: tuple[Outcome, ...], now: float) -> State:
    """A new run, or the outcome of one that is over (a rollback)."""
    for past in history:
        if past.run_id == job["runId"] and past.phase != REPLACED:
            end, record = past.finished, past.record
            state = State(
                past.run_id, past.phase, past.reason, past.message, end, finished=end, history=history, record=record
            )
            if record:
                state = replace(state, restarts=record.restarts, last_line=record.last_line, usage=record.usage)
            return state
    return State(
        job["runId"],
        first_started=now,
        started=now,
        history=history,
        message=f"starting {plural(len(tasks(job)), 'task')}",
    )


# --- what happened ------------------------------------------------------------------------------------------------


def _judge(job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod]) -> tuple[State, list[Event]]:
    """Deal with everything that happened and was not dealt with yet, then with deadlines."""
    state = take_in_progress(job, state, observation.sample, pods)
    state = take_in_usage(job, state, observation.usage, pods)
    state, events = handle_exits(job, state, observation, pods)
    if state.ended:
        return state, events
    state, slow = take_in_slow(job, state, observation.slow)
    events += slow
    if state.succeeded.issuperset(deciding_tasks(job)):
        return succeed(job, state, observation.now), events
    if observation.suspend:
        return state, events
    state = check_deadlines(job, state, observation, pods)
    if state.ended:
        return state, events
    state, more = check_stall(job, state, observation, pods)
    return state, events + more


# --- what to do ---------------------------------------------------------------------------------------------------


def _drive(
    job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod]
) -> tuple[State, list[Action]]:
    """The run goes on: every set at its size, restarts that would take long done at once."""
    if state.training_succeeded is not None:
        return _wait_for_evaluator(job, state, observation)
    actions: list[Action] = [
        Scale(role, job["replicas"].get(role, 0))
        for role, size in observation.sets.items()
        if size.desired != job["replicas"].get(role, 0)
    ]
    for pod in pods.values():
        if pod.backoff >= BACKOFF_SECONDS and pod.deleted is None and pod.task not in state.succeeded:
            actions.append(
                Event(
                    "Normal",
                    "TaskRecreated",
                    f"{name(pod.task)}: restarted now, not after a back-off of {pod.backoff:.0f} s",
                )
            )
            actions.append(Delete(pod.task, pod.uid))
    of_other_runs = [pod for pod in observation.pods.values() if pod.run_id != job["runId"]]
    actions += deletions(job, of_other_runs + hung_pods(job, state, pods))
    actions += replacements(job, observation.pods.values(), observation.now)
    actions += hangs.restarts(job, state, observation, pods)
    absent = not_running(job, state, pods)
    not_together = gang_text(job, state, absent, pods)
    actions += gang_events(not_together, state.message)
    if not absent:
        waits = waits_for_done(job, state, observation.sample)
        if waits and not state.message.endswith(waits):
            actions.append(Event("Warning", "TaskWaits", waits))
        message = "; ".join(filter(None, (running_text(job), not_together, waits)))
        return replace(state, phase=RUNNING, reason="", message=message), actions
    phase: Phase = PENDING if state.all_ran is None else RESTARTING
    message = "; ".join(filter(None, (waiting_text(job, absent, observation, pods), not_together)))
    return replace(state, phase=phase, reason=WAITING, message=message), actions


def _wait_for_evaluator(job: JobSpec, state: State, observation: Observation) -> tuple[State, list[Action]]:
    """Training has succeeded: everything else may go."""
    actions: list[Action] = []
    for role, size in observation.sets.items():
        if role != "evaluator" and freed_roles(job, True, [role]):
            actions += free(job, observation, [role])
        elif size.desired != job["replicas"].get(role, 0):
            actions.append(Scale(role, job["replicas"].get(role, 0)))
    message = "training has succeeded; the evaluator finishes"
    return replace(state, phase=RUNNING, reason=WAITING_FOR_EVALUATOR, message=message), actions


def _suspend(job: JobSpec, state: State, observation: Observation) -> tuple[State, list[Action]]:
    left = len(observation.pods)
    message = f"{plural(left, 'pod')} {'is' if left == 1 else 'are'} still terminating" if left else "no pod is left"
    state = replace(state, phase=SUSPENDED, reason="", message=message, all_running_since=None)
    return state, free(job, observation, observation.sets)


def _end(job: JobSpec, state: State, observation: Observation) -> tuple[State, list[Action]]:
    """Free everything, or what holds GPUs, then finish; the user may want to look at the rest."""
    success = state.phase == SUCCEEDED
    roles = freed_roles(job, success, observation.sets)
    actions = free(job, observation, roles)
    if holds_anything(observation, roles):
        return state, actions
    if len(roles) == len(observation.sets):
        state = replace(state, freed=not observation.pods)
    return state, [*actions, Finish(success)]
