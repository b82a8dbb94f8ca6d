"""What a program that succeeded says of itself, without knowing: nothing saved, no other task ever reached. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name
from ..task.messages import REACHED
from .state import Event, Exit, State


def take_in_doubts(job: JobSpec, state: State, task: Task, exit_: Exit) -> tuple[State, list[Event]]:
    """The state with what the success of a task that decides leaves in doubt. The last one to end knows best."""
    doubts = tuple(_doubts(job, task, exit_))
    warning = [Event("Warning", "DoubtfulSuccess", f"{name(task)} exited 0, but {doubt}") for doubt in doubts]
    return (state if doubts == state.doubts else replace(state, doubts=doubts)), warning


def _doubts(job: JobSpec, task: Task, exit_: Exit) -> list[str]:
    try:
        report = json.loads(exit_.message[len(REACHED) :]) if exit_.message.startswith(REACHED) else {}
    except ValueError:
        return []
    if not isinstance(report, dict):
        return []
    doubts = []
    if report.get("checkpointEmpty") is True:
        doubts.append(f"the checkpoint folder is empty ({job['checkpointDir']}, CHECKPOINT_DIR)")
    if report.get("unconnected") is True:
        doubts.append(f"{name(task)} was never seen connected to another task (port {job['port']})")
    return doubts
