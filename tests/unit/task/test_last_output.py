"""What a pod that is kept after the end shows: the last lines of its program, in its plain log."""

from __future__ import annotations

import pytest

from tests.unit.task.conftest import PATIENCE_SECONDS, RUN, Container, job, shell
from tfconfig.tensorflow_job.task import last_output
from tfconfig.tensorflow_job.task.log import OWN

PARKED = "Nothing runs here; waiting to be freed"


def _parked_output(container: Container) -> str:
    process = container.start()
    container.wait_for(PARKED)
    process.terminate()
    process.wait(PATIENCE_SECONDS)
    return container.output.partition("waiting to be freed\n")[2]


@pytest.mark.parametrize("rule", ["onSuccess", "onFailure"])
def test_a_kept_pod_shows_the_last_lines_of_its_program_in_its_plain_log(container: Container, rule: str) -> None:
    script = "seq 1 500; echo why >&2; printf unfinished; exit 3"
    container.write(job(program=shell(script), cleanup={rule: "Keep"}, restart={"policy": "Never"}))
    assert container.run() == 3
    lines = _parked_output(container).splitlines()
    assert lines[0] == OWN + last_output.AGAIN
    assert [*lines[1:3], *lines[-3:]] == ["303", "304", "500", "why", "unfinished"]
    assert len(lines) == 1 + last_output.LINES


def test_a_kept_pod_shows_the_lines_of_the_last_program_alone(container: Container) -> None:
    """It is restarted by its policy, and parks when the job has failed."""
    script = "test -e $0 && echo second || echo first; touch $0; exit 3"
    program = {"command": ["sh", "-c", script.replace("$", "$$"), str(container.state / "tried")], "args": []}
    container.write(job(program=program, cleanup={"onFailure": "KeepGPUs"}))
    assert (container.run(), container.run()) == (3, 3)
    container.write(job(program=program), {"runId": RUN, "phase": "Failed", "freed": False})
    lines = _parked_output(container).splitlines()
    assert (lines[-1], "first" in lines) == ("second", False)


def test_a_kept_pod_holds_no_more_than_the_last_lines(container: Container) -> None:
    container.write(job(program=shell("yes | head -c 3000000; echo end"), cleanup={"onSuccess": "Keep"}))
    assert container.run() == 0
    held = sum(file.stat().st_size for file in (container.state / last_output.FOLDER).iterdir())
    assert held <= 3 * last_output.PART_BYTES
    assert _parked_output(container).splitlines()[-2:] == ["y", "end"]


def test_where_pods_are_deleted_output_is_not_held_twice(container: Container) -> None:
    container.write(job(program=shell("echo trained")))
    container.run()
    assert not (container.state / last_output.FOLDER).exists()
