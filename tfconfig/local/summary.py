"""The last lines of `tfconfig run`: how the job ended."""

from __future__ import annotations

import time

from tfconfig.local.console import Console
from tfconfig.tensorflow_job.lifecycle.state import State
from tfconfig.tensorflow_job.task.job_spec import JobSpec, name
from tfconfig.tensorflow_job.task.progress import words


def print_summary(console: Console, job: JobSpec, state: State, started: float) -> None:
    """The outcome, and after a failure the last lines of the deciding task; `started` in seconds since the epoch."""
    if state.decider and state.exit_code:
        console.say(f"last lines of {name(state.decider)}:")
        for line in console.tail(state.decider):
            console.say(f"    {line}")
    ended = state.finished or time.time()
    if state.ended:
        console.say(f"{state.phase} after {ended - started:.1f} s: {state.message}")
    else:
        console.say(f"Interrupted after {ended - started:.1f} s; no process of the job is left")
    if state.decider:
        console.say(f"  deciding task  {name(state.decider)}, exit status {state.exit_code}")
    if state.progress:
        console.say(f"  progress       {words(vars(state.progress))}")
    console.say(f"  restarts       {state.restarts} ({state.failures} failures counted)")
    if state.ended:
        console.say(f"  freed          {time.time() - ended:.1f} s after the end")
    console.say(f"  checkpoint     {job['checkpointDir'] or 'none (checkpoint.enabled is false)'}")
