"""Two programs written after TensorFlow's own guides, on the cluster; all six: tests/guides."""

from __future__ import annotations

import pytest
import yaml

from .conftest import Jobs
from .programs import ROOT, Values

PROGRAMS = ROOT / "tests/guides/programs"
SILENT_SECONDS = 5


def guide(name: str) -> Values:
    """The values of a guide's program, with the program."""
    values: Values = yaml.safe_load((PROGRAMS / f"{name}.yaml").read_text())
    files = {f"{name}.py": (PROGRAMS / f"{name}.py").read_text()}
    values["env"] = {**values.get("env", {}), "SILENT_SECONDS": str(SILENT_SECONDS)}
    return {**values, "program": {**values["program"], "files": files}}


@pytest.mark.parametrize("name", ["fit", "flags"])
def test_a_program_of_a_guide_runs_to_its_end(jobs: Jobs, name: str) -> None:
    job = jobs.install(guide(name))
    status = job.wait_ended("Succeeded", 240)
    assert (status["failures"], status["restarts"]) == (0, 0)
    assert "done: " in job.tail()
