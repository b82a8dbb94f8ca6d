"""Each mode loses each kind of its tasks in the middle of its training, one after the other, and ends at its last step.

A lost program or server is killed (SIGKILL: out of memory, a crash). A pod that is deleted is SIGTERM to its container.
What then starts again is measured, and stands in the table with what TensorFlow does:

- ParameterServerStrategy: the coordinator does without a worker, and hands its steps out again. Without a parameter
  server it ends with UnavailableError; started again, it restores.
- Between-graph, asynchronous: sessions wait for a parameter server and restore by themselves; workers are independent.
- Between-graph, synchronous: the leader that meets a lost parameter server closes the queue of tokens on the other one,
  and the session of every worker takes that for a good end. In the middle of the training it must not be one.
- In-graph: the one client recovers its session by itself, whichever server falls.
- Mirrored: all workers go down with one of them. On SIGTERM all save first and exit with 42 (test_mirrored).

Before that, one task of each comes half a minute late: the training waits for it, and starts nothing twice.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import Running, starting

from .conftest import runner

KILL, TERM = signal.SIGKILL, signal.SIGTERM


@dataclass(frozen=True)
class Loss:
    """A task that is lost; the tasks that start again; who resumes from a checkpoint."""

    task: str
    signal: signal.Signals
    again: str
    resumes: str = ""


@dataclass(frozen=True)
class Mode:
    """An example, the task that starts late, the steps of the training, and its losses in their order.

    The steps are about twice as many as the losses take: some trainings go on without the lost task.
    """

    example: str
    late: str
    steps: int
    losses: tuple[Loss, ...]


MODES = [
    Mode(
        "digits",
        "worker-1",
        2000,
        (
            Loss("worker-0", KILL, "worker-0"),
            Loss("worker-1", TERM, "worker-1"),
            Loss("ps-1", KILL, "ps-1 chief-0", "chief-0"),
            Loss("chief-0", KILL, "chief-0", "chief-0"),
        ),
    ),
    Mode(
        "between-graph-async",
        "ps-1",
        3000,
        (
            Loss("worker-1", KILL, "worker-1"),
            Loss("worker-1", TERM, "worker-1"),
            Loss("ps-1", KILL, "ps-1", "worker-0"),
            Loss("worker-0", KILL, "worker-0", "worker-0"),
        ),
    ),
    Mode(
        "between-graph-sync",
        "worker-0",
        900,
        (
            Loss("worker-1", KILL, "worker-1"),
            Loss("worker-2", TERM, "worker-2"),
            Loss("ps-1", KILL, "ps-1 worker-0 worker-1 worker-2", "worker-0"),
            Loss("worker-0", KILL, "worker-0", "worker-0"),
        ),
    ),
    *(
        Mode(
            example,
            late,
            700,
            (
                Loss("worker-1", KILL, "worker-1", "chief-0"),
                Loss("worker-0", TERM, "worker-0", "chief-0"),
                Loss("ps-0", KILL, "ps-0", "chief-0"),
                Loss("chief-0", KILL, "chief-0", "chief-0"),
            ),
        )
        for example, late in (("in-graph-sync", "worker-1"), ("in-graph-async", "ps-0"))
    ),
    Mode(
        "multi-worker-mirrored",
        "worker-1",
        400,
        (
            Loss("worker-1", KILL, "worker-0 worker-1", "worker-0"),
            Loss("worker-0", KILL, "worker-0 worker-1", "worker-0"),
        ),
    ),
]
LATE_SECONDS = 30
ARGUMENTS = ("--batch=128", "--round=20", "--save-every=20")


class Prepared:
    """Starts the run of each mode one test ahead, so that the half minute without its late task costs no time."""

    def __init__(self, folder: Callable[[str], Path], stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._runs: dict[str, tuple[Running, Path]] = {}

    def take(self, mode: Mode) -> tuple[Running, Path]:
        """The run of a mode, and the file that its late task waits for."""
        run = self._runs.pop(mode.example, None) or self._start(mode)
        for after in MODES[MODES.index(mode) + 1 :][:1]:
            self._runs[after.example] = self._start(after)
        return run

    def _start(self, mode: Mode) -> tuple[Running, Path]:
        folder = self._folder(mode.example)
        role, _, index = mode.late.rpartition("-")
        waits = f"until test -e {folder}/go; do sleep 0.1; done"
        late = f'case "$*" in *--role={role}\\ --index={index}\\ *) {waits};; esac; exec python3 "$@"'
        start = self._stack.enter_context(contextmanager(starting)(folder))
        python = f"python={json.dumps(['sh', '-c', late, 'sh'])}"
        run = runner(start, folder)(mode.example, [f"--steps={mode.steps}", *ARGUMENTS], "--set-json", python)
        return run, folder / "go"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Runs whose late task waits."""
    with ExitStack() as stack:
        yield Prepared(tmp_path_factory.mktemp, stack)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.example)
def test_the_training_waits_for_a_late_task_survives_each_loss_and_ends_at_its_last_step(
    mode: Mode, prepared: Prepared
) -> None:
    run, go = prepared.take(mode)
    run.wait_for(".")
    began = run.lines[0][0]
    _wait_until(run, "half a minute without the late task", lambda: time.monotonic() > began + LATE_SECONDS)
    assert not _rounds(run), "nothing is trained before the last task is there"
    go.touch()
    _wait_for_progress(run)
    assert set(_starts(run).values()) == {1}, "no task was started twice for that"
    started = [_lose(run, loss) for loss in mode.losses]
    assert run.end(300) == 0
    assert started == [" ".join(sorted(loss.again.split())) for loss in mode.losses]
    assert f"done: step {mode.steps}," in run.output
    (counted,) = re.findall(r"\((\d+) failures? counted\)", run.output)
    # Fewer where one came within 30 s of another (waves.py): as the machine's speed has it.
    assert 1 <= int(counted) <= sum(len(loss.again.split()) for loss in mode.losses if loss.signal is KILL)
    assert all(int(step) > 0 for step in re.findall(r"resumed from \S+ at step (\d+)", run.output))
    assert run.pids() == []


def _lose(run: Running, loss: Loss) -> str:
    """The tasks that were started again for it."""
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
    """Rounds of training that are printed from now on: checkpoints are saved as often."""
    before = _rounds(run)
    _wait_until(run, f"{rounds} more rounds", lambda: _rounds(run) >= before + rounds)


def _wait_until(run: Running, what: str, condition: Callable[[], bool], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until or run.process.poll() is not None:
            pytest.fail(f"not within {seconds} s, or the run has ended: {what}\n{run.output}")
        time.sleep(0.05)
