"""What a program that succeeded says of itself, without knowing: nothing saved, other tasks never reached. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name
from ..task.messages import REACHED
from .state import Event, Exit, State
from .text import first_few

CHECKPOINTS = "the checkpoint folder"
MAX_DOUBTS = 3  # in the message and the status; each has an Event


def take_in_doubts(job: JobSpec, state: State, task: Task, exit_: Exit) -> tuple[State, list[Event]]:
    """The state with what the success of a task that decides leaves in doubt.

    Of the checkpoint folder, which all share, the last one to end knows best. What a task says of its connections is
    about itself, and stays when others end that were connected.
    """
    own = _doubts(job, task, exit_)
    warning = [Event("Warning", "DoubtfulSuccess", f"{name(task)} exited 0, but {doubt}") for doubt in own]
    others = [doubt for doubt in state.doubts if not doubt.startswith((CHECKPOINTS, f"{name(task)} was "))]
    doubts = tuple([*own, *others][:MAX_DOUBTS])
    return (state if doubts == state.doubts else replace(state, doubts=doubts)), warning


def _doubts(job: JobSpec, task: Task, exit_: Exit) -> list[str]:
    try:
        report = json.loads(exit_.message[len(REACHED) :]) if exit_.message.startswith(REACHED) else {}
    except (ValueError, RecursionError):
        return []
    if not isinstance(report, dict):
        return []
    doubts = []
    if report.get("checkpointEmpty") is True:
        doubts.append(f"{CHECKPOINTS} is empty ({job['checkpointDir']}, CHECKPOINT_DIR)")
    if report.get("unconnected") is True:
        doubts.append(f"{name(task)} was never seen connected to another task (port {job['port']})")
    unreached, count = report.get("unreached"), report.get("unreachedCount")
    if isinstance(unreached, list) and isinstance(count, int) and unreached and count >= len(unreached):
        named = first_few([str(peer) for peer in unreached], count)
        doubts.append(f"{name(task)} was never seen connected to {named} (port {job['port']})")
    return doubts
