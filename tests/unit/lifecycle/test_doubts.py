"""A success that may be less than it seems says so."""

from __future__ import annotations

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED
from tfconfig.tensorflow_job.task.messages import REACHED

from .story import CHIEF, OTHER, WORKER, Story

EMPTY = "the checkpoint folder is empty (/checkpoints/digits, CHECKPOINT_DIR)"
ALONE = "chief-0 was never seen connected to another task (port 2222)"


@pytest.mark.parametrize(
    ("told", "doubts"),
    [
        ("", []),
        ('{"step": 3}', []),
        ('{"step": 3, "checkpointEmpty": true}', [EMPTY]),
        ('{"unconnected": true}', [ALONE]),
        ('{"checkpointEmpty": true, "unconnected": true}', [EMPTY, ALONE]),
        ('{"checkpointEmpty": "no"}', []),
        ("[1]", []),
        ("{", []),
    ],
)
def test_what_was_seen_is_in_the_message_and_an_event(told: str, doubts: list[str]) -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1))
    state = story.exits(CHIEF, 0, f"{REACHED} {told}" if told else "")
    assert state.phase == SUCCEEDED
    assert state.message == " and ".join(["chief-0 exited 0" + (f", but {doubts[0]}" if doubts else ""), *doubts[1:]])
    warnings = [message for reason, message in story.events() if reason == "DoubtfulSuccess"]
    assert warnings == [f"chief-0 exited 0, but {doubt}" for doubt in doubts]


def test_the_deciding_task_that_ended_last_knows_best() -> None:
    story = Story.running(a_job("Custom", worker=2, success_policy="AllWorkers"))
    story.exits(OTHER, 0, f'{REACHED} {{"checkpointEmpty": true}}')
    assert story.exits(WORKER, 0).message == "worker-0, worker-1 exited 0"


def test_other_tasks_are_not_asked() -> None:
    story = Story.running(a_job("Custom", chief=1, worker=1))
    story.exits(WORKER, 0, f'{REACHED} {{"checkpointEmpty": true}}')
    assert story.exits(CHIEF, 0).message == "chief-0 exited 0"
