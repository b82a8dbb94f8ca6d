"""A program that the kernel does not start: what the log says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.task.conftest import Container, job

CASES = {
    "windows": (b"#!/bin/bash\r\necho 1\r\n", 127, "ends as on Windows, so that its interpreter is '/bin/bash\\r'"),
    "windows with an option": (b"#!/bin/bash -e\r\n", None, ""),
    "no interpreter": (
        b"#! /nowhere/python3 -u\nprint(1)\n",
        127,
        "the image has no /nowhere/python3, which its first",
    ),
    "byte order mark": (b"\xef\xbb\xbf#!/bin/sh\necho 1\n", 126, "starts with a byte order mark"),
    "no first line": (b"import sys\n", 126, "nor a script with a first line such as #!/bin/sh"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("by_path", [True, False], ids=["by path", "on PATH"])
def test_a_file_that_is_there_and_cannot_be_started_is_explained(
    container: Container, tmp_path: Path, case: str, by_path: bool
) -> None:
    text, code, why = CASES[case]
    script = tmp_path / "train.sh"
    script.write_bytes(text)
    script.chmod(0o755)
    container.write(job(program={"command": [str(script) if by_path else "train.sh"], "args": []}))
    ended = container.run(PATH=f"{tmp_path}:/usr/bin:/bin")
    if code is not None:
        assert ended == code
    assert why in container.output
    assert "program.command names it" not in container.output


def test_a_file_that_is_missing_is_reported_with_the_places_to_look(container: Container) -> None:
    container.write(job(program={"command": ["./train.sh"], "args": []}))
    assert container.run() == 127
    assert "program.command names it" in container.output


def test_a_file_that_may_not_be_executed_is_reported_with_the_ways_out(container: Container, tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n")
    container.write(job(program={"command": [str(script)], "args": []}))
    assert container.run() == 126
    assert (
        f"may not be executed: chmod +x, or start it with its interpreter, as in [bash, {script}]" in container.output
    )
