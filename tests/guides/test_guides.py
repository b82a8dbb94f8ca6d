"""Programs written after TensorFlow's own guides, with values only; each is silent for a minute in the middle.

`make test-guides`. Two of them run on the cluster too (tests/cluster/test_guides.py).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Start, starting

PROGRAMS = Path(__file__).parent / "programs"
SILENT_SECONDS = 60
# Estimators ended with 2.15; `make test-guides` installs it beside.
TENSORFLOW_2_15 = Path(__file__).parents[2] / "build/tensorflow-2.15/bin/python"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `tfconfig run` with values given as a file."""
    yield from starting(tmp_path)


@pytest.mark.guides
@pytest.mark.timeout(600)
@pytest.mark.parametrize("guide", sorted(file.stem for file in PROGRAMS.glob("*.yaml")))
def test_a_program_of_a_guide_runs_to_its_end_through_a_silent_minute(guide: str, start: Start, tmp_path: Path) -> None:
    python = TENSORFLOW_2_15 if guide == "estimator" else Path(sys.executable)
    checkpoints = tmp_path / "checkpoints"
    run = start(
        PROGRAMS / f"{guide}.yaml",
        *("--checkpoint", str(checkpoints), "--set", f"env.SILENT_SECONDS={SILENT_SECONDS}"),
        environ={"PATH": f"{python.parent}:{os.environ['PATH']}"},
    )
    assert run.end(500) == 0
    before = run.time_of(rf"silent for {SILENT_SECONDS} s")
    assert run.lines[-1][0] - before > SILENT_SECONDS
    assert "done: " in run.output
    assert "(0 failures counted)" in run.output
    losses = [float(loss) for loss in re.findall(r"loss\s*=?:? (\d+\.\d+)", run.output)]
    assert losses[-1] < losses[0] / 2
    assert [file for file in checkpoints.rglob("*.index") if file.stat().st_size], "a checkpoint"
