"""Real training with TensorFlow as local processes: it ends, frees everything, and resumes.

How each way of training survives the loss of its tasks: tests/examples/test_losses.py.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from tests.running import DIGITS, Running, Start

SERVERS = r"tensorflow_job/task serve .*/(worker|ps)-"
VALUES = DIGITS / "values.yaml"
PYTHON = ("--python", sys.executable)


def losses(run: Running) -> list[float]:
    """The loss of each round, in the order printed."""
    return [float(found) for found in re.findall(r"loss (\d+\.\d+)", run.output)]


def final(run: Running) -> tuple[int, float]:
    """The last step and the test accuracy that the program told at its end."""
    found = run.wait_for(r"done: step (\d+), test accuracy (\d\.\d+)")
    return int(found[1]), float(found[2])


def resumed(run: Running) -> list[int]:
    """The steps at which the program took up its work again."""
    return [int(step) for step in re.findall(r"resumed from \S+ at step (\d+)", run.output)]


@pytest.mark.timeout(300)
def test_digits_train_end_free_everything_and_resume(start: Start, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    # Servers have nothing to save: none of them takes this grace.
    options = ("--checkpoint", str(checkpoint), "--logs", "logs", *PYTHON)
    run = start(VALUES, *options, "--set", "terminationGracePeriodSeconds=3600")
    run.wait_for("step 100 of 1500")
    assert len(run.pids(SERVERS)) == 4, "2 workers and 2 parameter servers, with no code of the program's"
    run.wait_for("done: step")
    run.wait_until_gone()
    assert run.end() == 0
    told = losses(run)
    assert told[-1] < told[0] / 10
    step, accuracy = final(run)
    assert step == 1500
    assert accuracy > 0.95
    assert re.search(r"deciding task  chief-0, exit status 0", run.output)
    assert (checkpoint / "checkpoint").exists()
    [distribution] = packages_distributions()["tensorflow"]
    recorded = json.loads((tmp_path / "logs/status.json").read_text())
    assert recorded["record"]["tensorflow"] == [version(distribution)]
    assert len([used for used in recorded["usage"].values() if "tensorflow" in used]) == 5, "servers too"

    again = start(VALUES, "--checkpoint", str(checkpoint), *PYTHON, "--set", "program.args={--steps=1600}")
    assert again.end(120) == 0
    assert resumed(again) == [1500]
    assert final(again)[0] == 1600
    assert "step 100 of" not in again.output
