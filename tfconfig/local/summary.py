"""The last lines of `tfconfig run`: how the job ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tfconfig.local.console import Console
from tfconfig.tensorflow_job.lifecycle.hints import hint
from tfconfig.tensorflow_job.lifecycle.state import State
from tfconfig.tensorflow_job.lifecycle.text import progress_text
from tfconfig.tensorflow_job.task.job_spec import name

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec


def print_summary(console: Console, job: JobSpec, state: State, started: float) -> None:
    """The outcome, and after a failure the last lines of the deciding task; `started` in seconds since the epoch."""
    if state.deciding_task and state.exit_code:
        console.say(f"last lines of {name(state.deciding_task)}:")
        lines = console.tail(state.deciding_task)
        for line in lines:
            console.say(f"    {line}")
        advice = hint(lines)
        if advice:
            console.say(f"hint: {advice}")
    ended = state.finished or time.time()
    if state.ended:
        console.say(f"{state.phase} after {ended - started:.1f} s: {state.message}")
    else:
        console.say(f"Interrupted after {ended - started:.1f} s; no process of the job is left")
    if state.deciding_task:
        console.say(f"  deciding task  {name(state.deciding_task)}, exit status {state.exit_code}")
    if state.progress:
        console.say(f"  progress       {progress_text(state.progress)}")
    console.say(f"  restarts       {state.restarts} ({state.failures} failures counted)")
    if state.ended:
        console.say(f"  freed          {time.time() - ended:.1f} s after the end")
    console.say(f"  checkpoint     {job['checkpointDir'] or 'none (checkpoint.enabled is false)'}")
