"""What `tfconfig init` writes runs at once, for each strategy, and saves."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.running import Start
from tfconfig.cli import main
from tfconfig.values.starter import KERAS_STRATEGIES, STRATEGIES

SECONDS = 280  # of a busy machine of 2 cores
PROGRAMS = [(strategy, "--loop") for strategy in STRATEGIES] + [(strategy, "--keras") for strategy in KERAS_STRATEGIES]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("strategy", "kind"), PROGRAMS)
def test_the_program_of_init_trains_and_saves(strategy: str, kind: str, start: Start, tmp_path: Path) -> None:
    values = tmp_path / "new" / "values.yaml"
    values.parent.mkdir()
    assert CliRunner().invoke(main, ["init", strategy, kind, "-f", str(values)]).exit_code == 0
    checkpoints = tmp_path / "checkpoints"
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = start(values, "--checkpoint", str(checkpoints), environ=environ)
    assert run.end(SECONDS) == 0
    assert "done: trained" in run.output
    losses = [float(loss) for loss in re.findall(r"loss:? (\d+\.\d+)", run.output)]
    assert losses[-1] < losses[0]
    assert list(checkpoints.rglob("*.index"))
