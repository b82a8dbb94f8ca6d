"""Programs that users of TFJob bring: they run on every role, and start their servers themselves."""

from __future__ import annotations

import re

import pytest

from tests.examples.conftest import RunExample


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("file", "leader", "program"),
    [("values.yaml", "chief-0", "tf_config.py"), ("flags.yaml", "worker-0", "flags.py")],
    ids=["TF_CONFIG", "flags"],
)
def test_a_program_with_servers_of_its_own_runs_on_every_role(
    example: RunExample, file: str, leader: str, program: str
) -> None:
    run = example("custom", file=file)
    run.wait_for(r"step \d+ of 2000", 280)
    assert len(run.pids(f"^python3 {program}")) == 4
    assert run.end(200) == 0
    run.wait_until_gone(3)  # the program's own parameter servers serve for ever; the job ends them
    assert f"deciding task  {leader}, exit status 0" in run.output
    losses = [float(loss) for loss in re.findall(r"step \d+ of 2000: loss (\d+\.\d+)", run.output)]
    assert losses[-1] < losses[0]
    assert f"{leader}  | staleness: mean" in run.output or f"{leader} | staleness: mean" in run.output
    found = run.wait_for(r"done: step (\d+), test accuracy (\d\.\d+)", 0)
    # A worker looks at the common step after its update; the other may have made one more meanwhile.
    assert int(found[1]) in (2000, 2001)
    assert float(found[2]) > 0.9
