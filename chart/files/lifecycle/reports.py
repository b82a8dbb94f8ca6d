"""What tasks report, in the terms of the state machine. Pure."""

from __future__ import annotations

from ..task.contracts import ProgressDocument
from ..task.job_spec import Task
from .state import Progress


def reported(task: Task, document: ProgressDocument, now: float) -> Progress:
    """What a task's document says at `now`."""
    return Progress(
        task,
        document["step"],
        document["total"],
        document["loss"],
        document["rate"],
        round(max(0.0, now - document["age"]), 3),
        document["metrics"],
        document["source"],
    )
