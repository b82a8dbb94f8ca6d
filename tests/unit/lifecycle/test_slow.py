"""Tasks that are slower than their peers: who is named, and who never."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.slow import LOOK_SECONDS, LOOKS, MAX_SLOW, StepRates
from tfconfig.tensorflow_job.lifecycle.state import Container
from tfconfig.tensorflow_job.task.contracts import ProgressDocument, Source
from tfconfig.tensorflow_job.task.job_spec import Task, name
from tfconfig.tensorflow_job.task.progress import CHECKPOINTS, EPOCHS, PROGRAM

from .story import OTHER, WORKER, Story


def worker(index: int) -> Task:
    return Task("worker", index)


def reports(steps: Sequence[float], source: Source = PROGRAM, restarts: int = 0) -> dict[Task, Any]:
    """The steps of the workers at a look; negative: not reported."""
    documents: dict[Task, tuple[Container, ProgressDocument]] = {}
    for index, step in enumerate(steps):
        if step >= 0:
            document: ProgressDocument = {
                "step": int(step),
                "total": None,
                "loss": None,
                "rate": None,
                "age": 0.0,
                "metrics": {},
                "source": source,
            }
            documents[worker(index)] = Container(f"uid-{index}", restarts), document
    return documents


def named(rates: Sequence[float], looks: int = LOOKS, source: Source = PROGRAM) -> list[str]:
    """Who is slow when the workers make so many steps a second for so many looks."""
    step_rates, slow = StepRates(), dict[Task, str]()
    for look in range(looks + 1):
        slow = step_rates.look(
            reports([rate * look * LOOK_SECONDS for rate in rates], source), 1000 + look * LOOK_SECONDS
        )
    return [f"{name(task)}: {text}" for task, text in slow.items()]


@pytest.mark.parametrize(
    ("rates", "slow"),
    [
        ([10, 10, 10, 4], ["worker-3: 4 of 10 steps/s"]),
        ([10, 10, 10, 0], ["worker-3: 0 of 10 steps/s"]),
        ([9, 10, 11, 10, 10, 10, 10, 2], ["worker-7: 2 of 10 steps/s"]),
        ([10, 10, 10, 10], []),
        ([10, 10, 10, 6], []),
        ([10, 10, 4], []),  # too few to know who is the odd one
        ([10, 10, 4, 4], []),
        ([10, 14, 7, 20, 3], []),  # they differ anyway
        ([0.1, 0.1, 0.1, 0], []),  # too few steps to count
        ([10, 10, 10, -1], []),
        ([], []),
    ],
)
def test_one_of_less_than_half_the_steps_of_peers_that_agree_is_slow(rates: list[float], slow: list[str]) -> None:
    assert named(rates) == slow


def test_it_is_slow_after_some_looks_in_a_row() -> None:
    assert named([10, 10, 10, 4], LOOKS - 1) == []
    step_rates, steps = StepRates(), [0.0, 0.0, 0.0, 0.0]
    slow = [dict[Task, str]()]
    for look, last in enumerate([4, 4, 10, 4, 4, 10, 4]):  # one that saves or evaluates now and then
        steps = [step + rate * LOOK_SECONDS for step, rate in zip(steps, (10, 10, 10, last), strict=True)]
        slow.append(step_rates.look(reports(steps), 1000 + look * LOOK_SECONDS))
    assert not any(slow)


@pytest.mark.parametrize("source", [EPOCHS, CHECKPOINTS])
def test_what_tells_of_steps_too_seldom_does_not_count(source: Source) -> None:
    assert named([10, 10, 10, 4], source=source) == []


def test_a_container_that_began_again_is_not_slow() -> None:
    step_rates = StepRates()
    for look in range(LOOKS + 1):
        steps = reports([600.0 * look] * 3 + [0])
        again = reports([0] * 4, restarts=look)
        slow = step_rates.look({**steps, worker(3): again[worker(3)]}, 1000 + look * LOOK_SECONDS)
        assert not slow


def test_roles_are_not_compared_with_each_other() -> None:
    step_rates = StepRates()
    for look in range(LOOKS + 1):
        steps = reports([600.0 * look] * 5)
        steps[Task("evaluator", 0)] = reports([60.0 * look])[worker(0)]
        assert not step_rates.look(steps, 1000 + look * LOOK_SECONDS)


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        ("Custom", "synchronous training waits for the slowest task, asynchronous training uses its stale gradients"),
        ("MultiWorkerMirrored", "synchronous training waits for the slowest task"),
    ],
)
def test_an_event_says_it_once_and_the_status_keeps_it(strategy: str, text: str) -> None:
    story = Story.running(a_job(strategy, worker=4))
    story.slow = {OTHER: "4 of 10 steps/s"}
    state = story.look()
    assert state.slow == (OTHER,)
    assert story.events() == [("SlowTasks", f"slower than its peers: worker-1 (4 of 10 steps/s); {text}")]
    story.slow = {OTHER: "3 of 10 steps/s"}
    assert story.look() == state
    assert story.events() == []
    story.slow = {}
    assert story.look().slow == (OTHER,)


def test_no_more_than_some_are_named() -> None:
    story = Story.running(a_job("Custom", worker=40))
    story.slow = {worker(index): "1 of 9 steps/s" for index in range(20)}
    assert len(story.look().slow) == MAX_SLOW
    ((_, text),) = story.events()
    assert "worker-2 (1 of 9 steps/s) and 7 more; " in text
    assert story.look().slow == story.state.slow


def test_a_task_that_is_done_is_not_slow() -> None:
    story = Story.running(a_job("Custom", worker=4))
    story.exits(OTHER, 0)
    story.slow = {OTHER: "4 of 10 steps/s"}
    assert story.look().slow == ()
    assert WORKER not in story.state.slow
