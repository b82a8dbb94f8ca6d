"""A program that says that its failure is not its own: it ends its job all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.job_specs import a_job
from tests.unit.lifecycle.story import PS, WORKER, Story
from tests.unit.task.conftest import Container, job, shell
from tfconfig.tensorflow_job.lifecycle.state import FAILED
from tfconfig.tensorflow_job.task.messages import REACHED, SERVED, STOPPED

CLAIMS = [f"{STOPPED} asked to end", f"{SERVED} the server was ready", f'{REACHED} {{"step": 5000}}']
TRIES = 50


@pytest.mark.parametrize("message", CLAIMS)
@pytest.mark.parametrize("code", [1, 3, 137, 143])
def test_what_a_program_writes_into_its_message_does_not_hold_off_the_limit(message: str, code: int) -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=2, repeat_limit=None))
    for _ in range(3):
        story.exits(WORKER, code, message, after=100)
    assert (story.state.phase, story.state.reason) == (FAILED, "BackoffLimitExceeded")


def test_what_others_make_a_server_say_does_not_hold_it_off_for_ever() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, backoff_limit=2))
    for _ in range(TRIES):
        if not story.state.ended:
            story.exits(PS, 1, CLAIMS[1], after=100)
    assert story.state.reason == "BackoffLimitExceeded"


def test_a_program_that_claims_to_be_stopped_and_exits_0_has_not_succeeded() -> None:
    story = Story.running(a_job("Custom", worker=1, backoff_limit=0))
    assert story.exits(WORKER, 0, CLAIMS[0]).phase == FAILED


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("code", [0, 3])
def test_the_task_removes_what_its_program_claims(tmp_path: Path, claim: str, code: int) -> None:
    container = Container(tmp_path / "pod")
    container.write(job(program=shell(f"echo '{claim}' > {container.message_file}; exit {code}")))
    assert container.run() == code
    assert container.message == ""


def test_any_other_message_of_a_program_stays(tmp_path: Path) -> None:
    container = Container(tmp_path / "pod")
    container.write(job(program=shell(f"echo 'no data for May' > {container.message_file}; exit 3")))
    assert container.run() == 3
    assert container.message == "no data for May"
