"""Why the checkpoint folder cannot be made, and what to do. A folder of a real pod: test_task.py."""

from __future__ import annotations

import errno
import os

import pytest

from tfconfig.tensorflow_job.task.task import why_no_folder


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_checkpoint_volume_that_is_full_is_told_as_such(number: int) -> None:
    told = why_no_folder("/checkpoints/j", OSError(number, os.strerror(number)))
    assert told.startswith(f"cannot make the checkpoint folder /checkpoints/j: {os.strerror(number)}. Delete ")
    assert "fsGroup" not in told


def test_a_volume_of_somebody_else_is_told_as_such() -> None:
    told = why_no_folder("/checkpoints/j", OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert "Permission denied. The volume must be writable for user" in told
