"""The progress of a program, and a program that makes none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.stalls import stall_begins
from tfconfig.tensorflow_job.lifecycle.state import (
    FAILED,
    RUNNING,
    STALLED,
    SUCCEEDED,
    SUSPENDED,
    Exit,
    Progress,
)
from tfconfig.tensorflow_job.lifecycle.training import reporter
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.messages import REACHED

from .story import (
    CHIEF,
    NOW,
    OTHER,
    PS,
    WORKER,
    Story,
)


def training(strategy: str = "ParameterServer", **options: Any) -> Story:
    """A job that runs, and fails when no step is told for 120 s."""
    shape = {"chief": 1, "worker": 2, "ps": 1} if strategy == "ParameterServer" else {"worker": 2}
    return Story.running(a_job(strategy, **{**shape, "stall": 120, **options}))


def test_the_progress_is_that_of_the_last_step_that_was_reported() -> None:
    story = training()
    state = story.reports(CHIEF, 100, total=5000, loss=0.5, rate=10.0, ago=3.0)
    assert state.progress == Progress(CHIEF, 100, 5000, 0.5, 10.0, story.now - 3)
    then = story.now - 3
    state = story.reports(CHIEF, 100, total=5000, loss=0.25, rate=10.0)
    assert state.progress == Progress(CHIEF, 100, 5000, 0.25, 10.0, then), "the same step is no progress"


def test_a_rate_that_is_not_reported_is_that_between_the_last_two_steps() -> None:
    story = training()
    assert story.reports(CHIEF, 100).progress == Progress(CHIEF, 100, time=story.now)
    state = story.reports(CHIEF, 150, after=10)
    assert state.progress == Progress(CHIEF, 150, rate=5.0, time=story.now)
    then = story.now
    assert story.reports(CHIEF, 150, after=10).progress == Progress(CHIEF, 150, rate=5.0, time=then)
    state = story.reports(CHIEF, 120, after=10)  # restored from a checkpoint
    assert state.progress == Progress(CHIEF, 120, time=story.now)


def test_a_stalled_program_is_counted_said_and_replaced() -> None:
    story = training()
    story.reports(CHIEF, 1200)
    assert story.reports(CHIEF, 1200, after=119, ago=119).failures == 0
    state = story.reports(CHIEF, 1200, after=1, ago=120)
    assert (state.failures, state.phase) == (1, RUNNING)
    text = "chief-0: no progress for 120 s, last at step 1200; failure 1 of 6 allowed"
    assert story.events() == [("TaskStalled", text)]
    assert story.deleted() == [CHIEF], "servers are used again by the next chief"


def test_a_stall_is_acted_upon_until_it_is_done_but_counted_once() -> None:
    story = training()
    story.reports(CHIEF, 1200)
    story.reports(CHIEF, 1200, after=120, ago=120)
    for _ in range(3):  # the adapter died before it acted
        state = story.reports(CHIEF, 1200, after=60, ago=180)
        assert (story.deleted(), state.failures) == ([CHIEF], 1)
    story.change(CHIEF, deleted=story.now + 30)
    assert (story.look().failures, story.deleted()) == (1, [])
    story.pod(CHIEF, status="Running")
    state = story.look()
    assert (state.phase, state.failures, state.hung_before, story.deleted()) == (RUNNING, 1, None, [])
    assert state.progress == Progress(CHIEF, 1200, time=NOW + 1), "what was reached is still told"


def test_a_program_that_stalls_again_and_again_ends_the_job() -> None:
    story = training(backoff_limit=1)
    for _ in range(2):
        story.reports(CHIEF, 1200)
        story.reports(CHIEF, 1200, after=120, ago=120)
        if not story.state.ended:
            story.pod(CHIEF, status="Running")
            story.look()
    state = story.state
    assert (state.phase, state.reason, state.deciding_task) == (FAILED, "BackoffLimitExceeded", CHIEF)
    assert (state.exit_code, state.finished) == (None, story.now)
    assert state.message == ("chief-0: no progress for 120 s, last at step 1200; 2 failures, restart.backoffLimit is 1")


@pytest.mark.parametrize(("policy", "fails"), [("Never", True), ("OnFailure", False), ("ExitCode", False)])
def test_a_stall_follows_restart_policy(policy: str, fails: bool) -> None:
    story = training(policy=policy)
    story.reports(CHIEF, 1200)
    state = story.reports(CHIEF, 1200, after=120, ago=120)
    assert (state.phase == FAILED) == fails
    if fails:
        assert state.reason == STALLED
        assert state.message.endswith("restart.policy Never does not restart it")


@pytest.mark.parametrize(
    ("job", "goes"),
    [
        (a_job("MultiWorkerMirrored", worker=2, evaluator=1, stall=120), [WORKER, OTHER]),
        (a_job("BetweenGraph", worker=2, ps=1, stall=120), [WORKER, OTHER]),
        (a_job("BetweenGraph", chief=1, worker=1, ps=1, stall=120), [CHIEF, WORKER]),
        (a_job("InGraph", chief=1, worker=2, ps=1, stall=120), [CHIEF]),
        (a_job("ParameterServer", chief=1, worker=2, ps=1, evaluator=1, stall=120), [CHIEF]),
        (a_job("Custom", chief=1, worker=1, ps=1, evaluator=1, stall=120), [CHIEF, WORKER, PS]),
    ],
)
def test_all_programs_of_the_training_are_replaced_since_any_of_them_may_hang(job: JobSpec, goes: list[Task]) -> None:
    story = Story.running(job)
    task = reporter(job, story.state)
    assert task is not None
    story.reports(task, 1)
    assert story.reports(task, 1, after=120, ago=120).failures == 1
    assert story.deleted() == goes
    assert story.state.restarts == len(goes)
    for gone in goes:
        story.change(gone, deleted=story.now + 30)
        killed = Exit(137, finished=story.now)
        story.change(gone, status="Terminated", current=killed)
    assert (story.look().failures, story.state.restarts) == (1, len(goes))
    for number, gone in enumerate(goes, 1):
        story.pod(gone, status="Running")
        state = story.look()
        assert (state.failures, story.deleted()) == (1, [])
        assert (state.hung_before is None) == (number == len(goes))


def test_peers_that_fall_when_a_hung_one_is_taken_away_are_not_counted_again() -> None:
    story = training("MultiWorkerMirrored", stall=120)
    story.reports(WORKER, 10)
    story.reports(WORKER, 10, after=120, ago=120)
    assert story.exits(OTHER, 1, after=5).failures == 1


def test_a_task_that_is_done_is_not_replaced_and_tells_nothing_more() -> None:
    story = training("MultiWorkerMirrored", success_policy="AllWorkers")
    story.reports(WORKER, 10)
    story.exits(WORKER, 0)
    assert reporter(story.job, story.state) == OTHER
    assert story.look(200).failures == 0
    story.reports(OTHER, 11)
    assert story.reports(OTHER, 11, after=120, ago=120).failures == 1
    assert story.deleted() == [OTHER]


def test_a_stall_names_the_workers_that_are_done_for_which_the_others_may_wait() -> None:
    """As a synchronous optimizer waits for the gradients of a worker that has stopped by itself."""
    story = training("BetweenGraph", chief=1, ps=1)
    story.reports(CHIEF, 10)
    story.exits(OTHER, 0)
    story.reports(CHIEF, 10, after=120, ago=120)
    message = "chief-0: no progress for 120 s, last at step 10, while worker-1 is done; failure 1 of 6 allowed"
    assert ("TaskStalled", message) in story.events()


def test_without_stall_seconds_a_program_that_may_wait_for_one_that_is_done_says_so_and_goes_on() -> None:
    story = training("BetweenGraph", chief=1, ps=1, stall=None)
    story.reports(CHIEF, 10, rate=1.0)
    assert story.reports(CHIEF, 10, after=200, ago=200).message == "all 4 tasks run or are done"
    text = "chief-0 has made no step since step 10 while worker-1 is done; a synchronous program would wait for ever"
    state = story.exits(OTHER, 0)
    assert (state.phase, state.message, state.failures) == (RUNNING, f"all 4 tasks run or are done; {text}", 0)
    assert ("TaskWaits", text) in story.events()
    state = story.reports(CHIEF, 10, after=1e5, ago=1e5)
    assert state.message.endswith(text)
    assert story.events() == []
    assert story.reports(CHIEF, 11).message == "all 4 tasks run or are done"


def test_steps_that_take_long_are_waited_for_before_anything_is_said() -> None:
    story = training("BetweenGraph", chief=1, ps=1, stall=None)
    story.exits(OTHER, 0)
    story.reports(CHIEF, 10, rate=0.02)
    assert story.reports(CHIEF, 10, after=500, ago=500, rate=0.02).message == "all 4 tasks run or are done"
    assert "worker-1 is done" in story.reports(CHIEF, 10, after=100, ago=600, rate=0.02).message


def test_before_the_first_progress_no_clock_runs() -> None:
    story = training()
    assert (story.look(10_000).failures, stall_begins(story.job, story.state)) == (0, None)


def test_without_stall_seconds_nothing_is_a_stall() -> None:
    story = training(stall=None)
    story.reports(CHIEF, 1)
    assert story.reports(CHIEF, 1, after=1e6, ago=1e6).failures == 0


def test_no_answer_is_no_stall() -> None:
    story = training()
    story.reports(CHIEF, 1)
    assert story.look(10_000).failures == 0
    story.sample = None
    assert story.look(10_000).failures == 0
    assert story.reports(CHIEF, 2).failures == 0


def test_a_restarted_program_is_given_time_until_its_first_step() -> None:
    story = training()
    story.reports(CHIEF, 1200)
    state = story.exits(CHIEF, 1)
    assert (state.failures, stall_begins(story.job, state)) == (1, None)
    assert story.look(10_000).failures == 1
    story.reports(CHIEF, 1100)
    assert story.reports(CHIEF, 1100, after=120, ago=120).failures == 2


def test_what_an_earlier_container_reported_is_not_believed_any_more() -> None:
    story = training()
    story.reports(CHIEF, 1200)
    old = story.sample
    story.exits(CHIEF, 1)
    story.sample = old
    state = story.look(10_000)
    assert (state.failures, stall_begins(story.job, state)) == (1, None)


def test_while_another_task_is_away_the_clock_stands_and_then_begins_again() -> None:
    story = training()
    story.reports(CHIEF, 1200)
    story.change(OTHER, status="Waiting")
    assert story.reports(CHIEF, 1200, after=1000, ago=1000).failures == 0
    story.change(OTHER, status="Running")
    story.look()
    assert story.reports(CHIEF, 1200, after=119, ago=1120).failures == 0
    assert story.reports(CHIEF, 1200, after=1, ago=1121).failures == 1


def test_a_suspended_job_does_not_stall() -> None:
    story = training()
    story.reports(CHIEF, 1200)
    story.suspend = True
    assert story.reports(CHIEF, 1200, after=1000, ago=1000).failures == 0
    story.free()
    story.sample = None
    assert story.look().phase == SUSPENDED
    story.suspend = False
    story.look(1000)
    story.start()
    state = story.look()
    assert (state.phase, stall_begins(story.job, state)) == (RUNNING, None)
    story.reports(CHIEF, 1200)
    assert story.reports(CHIEF, 1200, after=120, ago=120).failures == 1


def test_a_job_that_only_waits_for_its_evaluator_does_not_stall() -> None:
    story = Story.running(a_job(chief=1, worker=1, ps=1, evaluator=1, stall=120, grace=10_000))
    story.reports(CHIEF, 1200)
    story.exits(CHIEF, 0)
    assert story.look(1000).failures == 0
    assert stall_begins(story.job, story.state) is None


def test_how_far_a_program_came_that_succeeded_is_in_its_last_words() -> None:
    story = training()
    story.reports(CHIEF, 4800, total=5000, rate=10.0)
    story.exits(CHIEF, 0, REACHED + ' {"age": 2, "loss": 0.1, "rate": null, "step": 5000, "total": 5000}', after=20)
    assert story.state.progress == Progress(CHIEF, 5000, 5000, 0.1, 10.0, story.now - 1 - 2)


@pytest.mark.parametrize("message", ["", REACHED, f"{REACHED} not JSON", f"{REACHED} []", "other words"])
def test_last_words_that_say_nothing_change_nothing(message: str) -> None:
    story = training()
    before = story.reports(CHIEF, 4800).progress
    story.exits(CHIEF, 0, message)
    assert (story.state.progress, story.state.phase) == (before, SUCCEEDED)


def test_another_run_begins_without_progress() -> None:
    story = training()
    story.reports(CHIEF, 4800)
    story.job = a_job(chief=1, worker=2, ps=1, stall=120, run_id="b")
    assert story.look().progress is None


@pytest.mark.parametrize("source", ["epochs", "tensorboard", "checkpoints"])
def test_what_tells_of_a_step_now_and_then_shows_no_stall(source: str) -> None:
    """Unless the user has chosen such sources alone, and a limit that fits them."""
    sources = {"sources": ["output", "tensorboard", "checkpoints"], "pattern": ""}
    for chosen, failures in ((sources, 0), ({**sources, "sources": ["checkpoints"]}, 1), (None, 0)):
        story = training()
        if chosen:
            story.job["progress"] = chosen  # type: ignore[typeddict-item]
        story.reports(CHIEF, 1200, source=source)
        state = story.reports(CHIEF, 1200, after=300, ago=300, source=source)
        assert state.failures == failures
        assert state.progress
        assert state.progress.step == 1200


def test_metrics_and_their_source_are_kept() -> None:
    story = training()
    state = story.reports(CHIEF, 1200, metrics={"auc": 0.75}, source="output")
    assert state.progress == Progress(CHIEF, 1200, time=story.now, metrics={"auc": 0.75}, source="output")
    story.exits(CHIEF, 0, f'{REACHED} {{"step": 9, "metrics": {{"auc": 0.8}}, "source": "tensorboard", "age": 1}}')
    progress = story.look().progress
    assert progress
    assert (progress.metrics, progress.source) == ({"auc": 0.8}, "tensorboard")
