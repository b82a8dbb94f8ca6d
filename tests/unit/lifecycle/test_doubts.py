"""A success that may be less than it seems says so."""

from __future__ import annotations

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.messages import REACHED

from .story import CHIEF, OTHER, WORKER, Story

EMPTY = "the checkpoint folder is empty (/checkpoints/digits, CHECKPOINT_DIR)"
ALONE = "chief-0 was never seen connected to another task (port 2222)"
TO = "chief-0 was never seen connected to"


@pytest.mark.parametrize(
    ("report", "doubts"),
    [
        ("", []),
        ('{"step": 3}', []),
        ('{"step": 3, "checkpointEmpty": true}', [EMPTY]),
        ('{"unconnected": true}', [ALONE]),
        ('{"checkpointEmpty": true, "unconnected": true}', [EMPTY, ALONE]),
        ('{"unreached": ["worker-1"], "unreachedCount": 1}', [f"{TO} worker-1 (port 2222)"]),
        (
            '{"unreached": ["worker-1", "ps-0"], "unreachedCount": 5}',
            [f"{TO} worker-1, ps-0 and 3 more (port 2222)"],
        ),
        ('{"unreached": [], "unreachedCount": 3}', []),
        ('{"unreached": ["ps-0"]}', []),
        ('{"checkpointEmpty": "no"}', []),
        ("[1]", []),
        ("{", []),
        ("[" * 4000, []),
    ],
)
def test_what_was_seen_is_in_the_message_and_an_event(report: str, doubts: list[str]) -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1))
    state = story.exits(CHIEF, 0, f"{REACHED} {report}" if report else "")
    assert state.phase == SUCCEEDED
    assert state.message == " and ".join(["chief-0 exited 0" + (f", but {doubts[0]}" if doubts else ""), *doubts[1:]])
    warnings = [message for reason, message in story.events() if reason == "DoubtfulSuccess"]
    assert warnings == [f"chief-0 exited 0, but {doubt}" for doubt in doubts]


def test_a_task_that_was_connected_does_not_speak_for_another() -> None:
    story = Story.running(a_job("MultiWorkerMirrored", worker=2, success_policy="AllWorkers"))
    story.exits(WORKER, 0, f'{REACHED} {{"unconnected": true, "checkpointEmpty": true}}')
    assert story.exits(OTHER, 0, f'{REACHED} {{"step": 3}}').message == (
        "worker-0, worker-1 exited 0, but worker-0 was never seen connected to another task (port 2222)"
    )


def test_of_many_doubts_the_last_ones_are_in_the_message() -> None:
    job = a_job("Custom", worker=200, success_policy="AllWorkers")
    story = Story.running(job)
    for index in range(200):
        state = story.exits(Task("worker", index), 0, f'{REACHED} {{"unconnected": true}}')
    assert state.message.count("was never seen connected") == 3
    assert len(state.message) < 1000


def test_of_the_checkpoint_folder_the_deciding_task_that_ended_last_knows_best() -> None:
    story = Story.running(a_job("Custom", worker=2, success_policy="AllWorkers"))
    story.exits(OTHER, 0, f'{REACHED} {{"checkpointEmpty": true}}')
    assert story.exits(WORKER, 0).message == "worker-0, worker-1 exited 0"


def test_other_tasks_are_not_asked() -> None:
    story = Story.running(a_job("Custom", chief=1, worker=1))
    story.exits(WORKER, 0, f'{REACHED} {{"checkpointEmpty": true}}')
    assert story.exits(CHIEF, 0).message == "chief-0 exited 0"
