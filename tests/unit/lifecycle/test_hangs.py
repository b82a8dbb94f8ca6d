"""Programs that wait for a peer whose node is gone are started anew; those that go on without it are left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.decide import decide
from tfconfig.tensorflow_job.lifecycle.hangs import GRACE_SECONDS
from tfconfig.tensorflow_job.lifecycle.state import RESTARTING, RUNNING, Delete, Observation
from tfconfig.tensorflow_job.task.job_spec import Task

from .story import CHIEF, OTHER, PS, WORKER, Story


def waits(story: Story, *programs: Task, on: Task) -> None:
    """These programs wait for an answer of that task, which does not come."""
    peer = story.pods[on]
    story.silent = {story.pods[program].container: (peer,) for program in programs}


@pytest.mark.parametrize("node_loss", ["Wait", "Replace"])
def test_a_task_whose_node_is_not_ready_is_named_at_once(node_loss: str) -> None:
    story = Story.running(a_job("Custom", worker=2, node_loss=node_loss))
    story.change(OTHER, unreachable=True)
    state = story.look()
    assert state.phase == RESTARTING
    assert state.message.startswith("worker-1: node node-1 does not answer")
    assert story.deleted() == []
    story.change(OTHER, unreachable=False)
    assert story.look().phase == RUNNING


def test_a_program_that_waits_for_it_is_started_anew_without_a_failure() -> None:
    story = Story.running(a_job("BetweenGraph", worker=2, ps=1))
    story.change(PS, unreachable=True)
    waits(story, WORKER, on=PS)
    state = story.look()
    assert [action for action in story.actions if isinstance(action, Delete)] == [
        Delete(WORKER, story.pods[WORKER].uid, grace=GRACE_SECONDS)
    ]
    assert story.events()[-1] == ("TaskRecreated", "worker-0 waits for ps-0, whose node node-0 does not answer")
    story.change(WORKER, deleted=story.now + GRACE_SECONDS)
    story.look()
    assert story.deleted() == [], "once"
    story.pod(WORKER, status="Running")
    story.look()
    assert story.deleted() == [], "the new one waits for nobody yet"
    assert state.failures == story.state.failures == 0


def test_nobody_waits_longer_for_a_pod_that_vanished_with_its_node() -> None:
    story = Story.running(a_job("BetweenGraph", worker=1, ps=1))
    waits(story, WORKER, on=PS)
    story.silent = {container: (replace(pods[0], node=""),) for container, pods in story.silent.items()}
    story.pod(PS, status="Running")  # on another node already
    story.look()
    assert story.deleted() == [WORKER]
    assert ("TaskRecreated", "worker-0 waits for ps-0, which is gone") in story.events()


@pytest.mark.parametrize(
    ("strategy", "roles", "program", "lost", "others", "restarted"),
    [
        ("ParameterServer", {"chief": 1, "worker": 2, "ps": 1}, CHIEF, PS, True, True),
        ("ParameterServer", {"chief": 1, "worker": 2, "ps": 1}, CHIEF, OTHER, True, False),
        ("ParameterServer", {"chief": 1, "worker": 2, "ps": 1}, CHIEF, OTHER, False, True),
        ("ParameterServer", {"chief": 1, "worker": 1, "ps": 1}, CHIEF, WORKER, True, True),
        ("BetweenGraph", {"worker": 2, "ps": 1}, WORKER, PS, True, True),
        ("BetweenGraph", {"worker": 2, "ps": 1}, WORKER, OTHER, True, False),
        ("BetweenGraph", {"chief": 1, "worker": 1, "ps": 1}, WORKER, CHIEF, True, False),
        ("BetweenGraph", {"chief": 1, "worker": 1, "ps": 1}, CHIEF, WORKER, True, False),
        ("InGraph", {"chief": 1, "worker": 2, "ps": 1}, CHIEF, OTHER, True, True),
        ("MultiWorkerMirrored", {"worker": 2}, WORKER, OTHER, True, False),
        ("Custom", {"chief": 1, "worker": 1, "ps": 1}, CHIEF, WORKER, True, True),
        ("Custom", {"chief": 1, "worker": 2, "ps": 1}, CHIEF, OTHER, True, False),
        ("Custom", {"worker": 2, "ps": 1}, WORKER, OTHER, True, False),
        ("Custom", {"worker": 2, "ps": 1}, WORKER, PS, True, True),
    ],
)
def test_only_who_cannot_go_on_without_the_lost_task_is_started_anew(
    strategy: str, roles: dict[str, int], program: Task, lost: Task, others: bool, restarted: bool
) -> None:
    story = Story.running(a_job(strategy, **roles))  # type: ignore[arg-type]
    story.change(lost, unreachable=True)
    if not others:
        story.change(WORKER, unreachable=True)
    waits(story, program, on=lost)
    story.look()
    assert story.deleted() == ([program] if restarted else [])


@pytest.mark.parametrize("fields", [{"deleted": 1.0}, {"unreachable": True}, {"status": "Waiting"}])
def test_a_program_that_is_gone_itself_is_left_alone(fields: dict[str, object]) -> None:
    story = Story.running(a_job("BetweenGraph", worker=1, ps=1))
    waits(story, WORKER, on=PS)
    story.change(WORKER, **fields)
    assert WORKER not in [
        action.task
        for action in decide(
            story.job, story.state, Observation(story.now, dict(story.pods), dict(story.sets), silent=story.silent)
        )[1]
        if isinstance(action, Delete) and not action.force
    ]
