"""Tasks start late, or never: training waits for them, and says for whom."""

from __future__ import annotations

import json

import pytest

from .conftest import RunExample

LATE_SECONDS = 30

# How each way of training starts when one of its tasks comes late.
WAITS_FOR = {
    "digits": "worker-1",
    "between-graph-async": "ps-1",
    "between-graph-sync": "worker-0",
    "in-graph-sync": "worker-1",
    "in-graph-async": "ps-0",
    "multi-worker-mirrored": "worker-1",
}


@pytest.mark.timeout(420)
@pytest.mark.parametrize(("name", "task"), WAITS_FOR.items())
def test_a_task_that_comes_half_a_minute_late_is_waited_for(name: str, task: str, example: RunExample) -> None:
    role, _, index = task.rpartition("-")
    late = f'case "$*" in *--role={role}\\ --index={index}\\ *) sleep {LATE_SECONDS};; esac; exec python3 "$@"'
    run = example(name, None, "--set-json", f"python={json.dumps(['sh', '-c', late, 'sh'])}")
    assert run.end(360) == 0
    assert "done: step" in run.output
    assert "(0 failures counted)" in run.output
    first = min(when for when, line in run.lines if " of " in line and ": loss" in line)
    assert first - run.lines[0][0] > LATE_SECONDS, "nothing was trained before the last task was there"
    run.wait_until_gone(3)
