"""What exit statuses mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.cluster.exit_codes import describe, meaning
from tfconfig.tensorflow_job.lifecycle.error_lines import last_line
from tfconfig.tensorflow_job.lifecycle.state import Exit


@pytest.mark.parametrize(
    ("exit_", "text"),
    [
        (Exit(137, "OOMKilled"), "exited 137 (OOMKilled): out of memory"),
        (Exit(137, "Error"), "exited 137 (SIGKILL): killed: out of memory, evicted, or still running after"),
        (Exit(143, "Error"), "exited 143 (SIGTERM): asked to end by SIGTERM"),
        (Exit(42, "Error"), "exited 42: requested a restart (TensorFlow's preemption exit)"),
        (Exit(127, "Error"), "exited 127: command not found in the image"),
        (Exit(128, "StartError"), "exited 128 (StartError): the container cannot be started"),
        (Exit(139, "Error"), "exited 139 (SIGSEGV): segmentation fault"),
        (Exit(138, "Error"), "exited 138 (SIGUSR1): killed by signal 10"),
        (Exit(143, "Error", "stopped: SIGTERM"), "exited 143 (SIGTERM): asked to end by SIGTERM"),
        (Exit(0, "Error", "stopped: SIGTERM"), "exited 0: by its own message asked to end by SIGTERM"),
        (Exit(1, "Error", "served: 12 s"), "exited 1: by its own message a server that had been ready"),
        (Exit(3, "Error"), "exited 3: the program failed"),
    ],
)
def test_an_exit_is_described_with_its_meaning(exit_: Exit, text: str) -> None:
    assert describe(exit_).startswith(text)


@given(st.integers(0, 255), st.sampled_from(["", "Error", "OOMKilled", "ContainerCannotRun"]), st.text())
def test_every_exit_status_has_a_meaning(code: int, reason: str, message: str) -> None:
    assert meaning(code, reason, message)


def test_the_last_line_is_the_last_one_with_text() -> None:
    assert last_line("Traceback\n  File x\nValueError: bad shape\n\n") == "ValueError: bad shape"
    assert last_line("") == ""
