"""The example with MultiWorkerMirroredStrategy: to its end, and preempted on the way."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.examples.conftest import RunExample
from tests.running import Running

# Of a start, a save and another start on a busy machine of 2 cores.
SECONDS = 280

pytestmark = pytest.mark.timeout(600)


def ended_well(run: Running) -> None:
    """Every step was made once, by both workers, however often they started."""
    assert run.end(SECONDS) == 0
    run.wait_until_gone(3)
    assert "updates: 600 global steps from 1200 gradients of 2 workers" in run.output
    accuracy = run.wait_for(r"done: step 600, test accuracy (\d\.\d+) on 360 images", 0)
    assert float(accuracy[1]) > 0.9


def test_two_workers_learn_digits_together(example: RunExample) -> None:
    run = example("multi-worker-mirrored")
    ended_well(run)
    losses = [float(loss) for loss in re.findall(r"step \d+ of 600: loss (\d+\.\d+)", run.output)]
    assert len(losses) == 12
    assert losses[-1] < losses[0] / 5


def test_a_worker_that_is_asked_to_end_costs_no_step(example: RunExample) -> None:
    run = example("multi-worker-mirrored")
    run.wait_for("step 150 of 600", SECONDS)
    os.kill(run.container("worker-1"), signal.SIGTERM)
    saved = [int(run.wait_for(rf"worker-{worker} \| preempted: saved step (\d+)")[1]) for worker in (0, 1)]
    assert saved[0] == saved[1] > 150
    ended_well(run)
    resumed = re.findall(r"worker-(\d) \| resumed from \S+ckpt-(\d+) at step (\d+)", run.output)
    assert sorted(resumed) == [(str(worker), str(saved[0]), str(saved[0])) for worker in (0, 1)]
    assert "worker-0 exited 42; not counted (uncountedExitCodes)" in run.output
    assert "restarts       2 (0 failures counted)" in run.output
