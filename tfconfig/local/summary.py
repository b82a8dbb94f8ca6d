"""The last lines of `tfconfig run`: how the job ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tfconfig.local.console import Console
from tfconfig.tensorflow_job.lifecycle.last_lines import tail
from tfconfig.tensorflow_job.lifecycle.state import State, Usage
from tfconfig.tensorflow_job.lifecycle.text import one_line, plural, progress_text
from tfconfig.tensorflow_job.lifecycle.usage import memory_text
from tfconfig.tensorflow_job.task.job_spec import Task, name
from tfconfig.tensorflow_job.task.log import OWN

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec

TAIL_LINES = 20  # shown after a failure
_SIGKILL = 137
# Kubernetes says OOMKilled; here nobody does.
_KILLED = (
    "killed from outside: often by the kernel, as this machine's memory was full; dmesg tells. Use smaller batches"
)


def print_summary(console: Console, job: JobSpec, state: State, started: float, last_output: str) -> None:
    """The outcome, and after a failure what the deciding process printed last; `started` in seconds since the epoch."""
    task = name(state.deciding_task) if state.deciding_task else ""
    before = f"{OWN}{task} runs "  # what a task says before its program starts
    if task and state.exit_code:
        lines = [line for line in tail(last_output, TAIL_LINES) if not line.startswith(before)]
        console.say(f"last lines of {task}:" if lines else f"{task} printed nothing")
        for line in lines:
            console.say(f"    {line}")
    ended = state.finished or time.time()
    if state.ended:
        console.say(f"{state.phase} after {ended - started:.1f} s: {state.message}")
    else:
        console.say(f"Interrupted after {ended - started:.1f} s; no process of the job is left")
    if task:
        code = "" if state.exit_code is None else f", exit status {state.exit_code}"
        console.say(f"  deciding task  {task}{code}")
    if state.last_line and not state.last_line.startswith(before):
        console.say(f"  last line      {one_line(state.last_line)}")
    hint = state.hint or (_KILLED if state.exit_code == _SIGKILL else "")
    if hint:
        console.say(f"  hint           {hint}")
    if state.progress:
        console.say(f"  progress       {progress_text(replace(state.progress, rate=None))}")
    if state.usage:
        console.say(f"  usage          {usage_text(state.usage)}")
    console.say(f"  restarts       {state.restarts} ({plural(state.failures, 'failure')} counted)")
    if state.ended:
        console.say(f"  freed          {time.time() - ended:.1f} s after the end")
    console.say(f"  checkpoint     {job['checkpointDir'] or 'none (checkpoint.enabled is false)'}")


def usage_text(usage: Mapping[Task, Usage]) -> str:
    """`chief-0 54 CPU seconds (0.9 CPUs), 412 MiB; worker tasks at most 31 CPU seconds (0.5 CPUs), 301 MiB`."""
    return "; ".join(_of_role(role, usage) for role in dict.fromkeys(task.role for task in usage))


def _of_role(role: str, usage: Mapping[Task, Usage]) -> str:
    used = {task: amounts for task, amounts in usage.items() if task.role == role}
    most = max(used.values(), key=lambda amounts: amounts.cpu_seconds or 0.0)
    memory = max(used.values(), key=lambda amounts: amounts.memory_peak or 0)
    whose = f"{role} tasks at most" if len(used) > 1 else name(next(iter(used)))
    return f"{whose} {most.cpu_seconds or 0:.1f} CPU seconds ({most.cpus or 0:.1f} CPUs), {memory_text(memory)}"
