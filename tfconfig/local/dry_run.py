"""What `tfconfig run` would start."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tfconfig.local.launch import Launch
from tfconfig.tensorflow_job.task.job_spec import command_line, name, runs_server, tasks
from tfconfig.terminal import visible

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec


def planned(job: JobSpec, launches: Mapping[str, Launch]) -> Iterator[str]:
    """A line for each task, and where checkpoints go. Commands are as they are written, without values of `$(NAME)`."""
    for task in tasks(job):
        command = "a TensorFlow server" if runs_server(job, task.role) else shlex.join(command_line(job, task.role))
        address = job["addresses"][task.role][task.index]
        python = launches[task.role].python[0]
        yield visible(f"{name(task)} at {address}, with {python}: {command}")
    yield visible(f"checkpoints: {job['checkpointDir']}" if job["checkpointDir"] else "no checkpoints")
