"""Each mode loses each kind of its tasks in the middle of its training, one after the other, and ends at its last step.

A lost program or server is killed (SIGKILL: out of memory, a crash). A pod that is deleted is SIGTERM to its container.
What then starts again is measured, and stands in the table with what TensorFlow does:

- ParameterServerStrategy: the coordinator does without a worker, and hands its steps out again. Without a parameter
  server it ends with UnavailableError; started again, it restores.
- Between-graph, asynchronous: sessions wait for a parameter server and restore by themselves; workers are independent.
- Between-graph, synchronous: the leader that meets a lost parameter server closes the queue of tokens on the other one,
  and the session of every worker takes that for a good end. In the middle of the training it must not be one.
- In-graph: the one client recovers its session by itself, whichever server falls.
- Mirrored: all workers go down with one of them. Told to go (SIGTERM), all save first and exit with 42.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.running import Running

from .conftest import RunExample

KILL, TERM = signal.SIGKILL, signal.SIGTERM


@dataclass(frozen=True)
class Loss:
    """A task that is lost; the tasks that start again; the failures counted at most; who resumes from a checkpoint."""

    task: str
    signal: signal.Signals
    again: str
    counted: int
    resumes: str = ""


@dataclass(frozen=True)
class Mode:
    """An example with arguments that make it train for about a minute, and its losses in their order."""

    example: str
    arguments: tuple[str, ...]
    steps: int
    losses: tuple[Loss, ...]
    file: str = "values.yaml"


MODES = [
    Mode(
        "digits",
        ("--batch=256", "--save-every=25", "--round=25"),
        3000,
        (
            Loss("worker-0", KILL, "worker-0", 0),
            Loss("worker-1", TERM, "worker-1", 0),
            Loss("ps-1", KILL, "ps-1 chief-0", 1, "chief-0"),
            Loss("chief-0", KILL, "chief-0", 1, "chief-0"),
        ),
    ),
    Mode(
        "between-graph-async",
        ("--batch=256", "--save-every=50", "--round=50"),
        6000,
        (
            Loss("worker-1", KILL, "worker-1", 1),
            Loss("worker-1", TERM, "worker-1", 0),
            Loss("ps-1", KILL, "ps-1", 0, "worker-0"),
            Loss("worker-0", KILL, "worker-0", 1, "worker-0"),
        ),
    ),
    Mode(
        "between-graph-sync",
        ("--batch=256", "--save-every=50", "--round=50"),
        3000,
        (
            Loss("worker-1", KILL, "worker-1", 1),
            Loss("worker-2", TERM, "worker-2", 0),
            Loss("ps-1", KILL, "ps-1 worker-0 worker-1 worker-2", 1, "worker-0"),
            Loss("worker-0", KILL, "worker-0", 1, "worker-0"),
        ),
    ),
    *(
        Mode(
            example,
            ("--batch=256", "--save-every=50", "--round=50"),
            3000,
            (
                Loss("worker-1", KILL, "worker-1", 0, "chief-0"),
                Loss("worker-0", TERM, "worker-0", 0, "chief-0"),
                Loss("ps-0", KILL, "ps-0", 0, "chief-0"),
                Loss("chief-0", KILL, "chief-0", 1, "chief-0"),
            ),
        )
        for example in ("in-graph-sync", "in-graph-async")
    ),
    Mode(
        "multi-worker-mirrored",
        ("--batch=128", "--save-every=50", "--round=50"),
        2000,
        (
            Loss("worker-1", KILL, "worker-0 worker-1", 1, "worker-0"),
            Loss("worker-0", KILL, "worker-0 worker-1", 1, "worker-0"),
            Loss("worker-1", TERM, "worker-0 worker-1", 0, "worker-0"),
        ),
    ),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.example)
def test_the_training_survives_each_loss_and_ends_at_its_last_step(mode: Mode, example: RunExample) -> None:
    run = example(mode.example, [f"--steps={mode.steps}", *mode.arguments], file=mode.file)
    started = [_lose(run, loss) for loss in mode.losses]
    assert run.end(300) == 0
    assert started == [" ".join(sorted(loss.again.split())) for loss in mode.losses]
    assert f"done: step {mode.steps}," in run.output
    # What falls within 30 s of another one is of the same wave, and not counted again (job.py).
    (counted,) = re.findall(r"\((\d+) failures counted\)", run.output)
    assert 1 <= int(counted) <= sum(loss.counted for loss in mode.losses)
    assert all(int(step) > 0 for step in re.findall(r"resumed from \S+ at step (\d+)", run.output))
    assert run.pids() == []


def _lose(run: Running, loss: Loss) -> str:
    """The tasks that were started again for it."""
    _wait_for_progress(run)
    before, restored = _starts(run), _resumptions(run)
    if loss.signal is KILL:
        os.kill(run.program(loss.task), KILL)
    else:
        os.kill(run.container(loss.task), TERM)
    expected = loss.again.split()
    _wait_until(run, f"{loss.again} start again", lambda: all(_starts(run)[task] > before[task] for task in expected))
    if loss.resumes:
        what = f"{loss.resumes} resumes after the loss of {loss.task}"
        _wait_until(run, what, lambda: _resumptions(run)[loss.resumes] > restored[loss.resumes])
    _wait_for_progress(run)
    return " ".join(sorted(_starts(run) - before))


def _starts(run: Running) -> Counter[str]:
    """How often the program or server of each task was started."""
    return Counter(re.findall(r"^(\S+) +\| tensorflow-job: \S+ (?:runs|serves) ", run.output, re.MULTILINE))


def _resumptions(run: Running) -> Counter[str]:
    return Counter(re.findall(r"^(\S+) +\| resumed from \S+ at step", run.output, re.MULTILINE))


def _rounds(run: Running) -> int:
    return len(re.findall(r"^\S+ +\| step \d+ of \d+: loss", run.output, re.MULTILINE))


def _wait_for_progress(run: Running, rounds: int = 3) -> None:
    """Rounds of training that are told from now on: checkpoints are saved as often."""
    told = _rounds(run)
    _wait_until(run, f"{rounds} more rounds", lambda: _rounds(run) >= told + rounds)


def _wait_until(run: Running, what: str, condition: Callable[[], bool], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until or run.process.poll() is not None:
            pytest.fail(f"not within {seconds} s, or the run has ended: {what}\n{run.output}")
        time.sleep(0.05)
