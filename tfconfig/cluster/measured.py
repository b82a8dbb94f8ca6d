"""Requests that follow from what the tasks of a job used. Pure.

Of each role the task that used most counts, with a margin: a fifth more than its highest memory, and than its CPUs on
average. A CPU limit that stopped it hides what it would use: then nothing below that limit is proposed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tfconfig.tensorflow_job.lifecycle.state import Usage
from tfconfig.tensorflow_job.lifecycle.usage import MIN_RUN_SECONDS, THROTTLED_SHARE, cpu_text, memory_text
from tfconfig.tensorflow_job.task.job_spec import Task, name

MARGIN = 1.2
STEP_MILLICPUS, STEP_MIB = 100, 64  # proposals are multiples of these
_MIB = 1 << 20


def proposals(usage: Mapping[Task, Usage]) -> dict[str, dict[str, Any]]:
    """Role -> the tasks that used most, in words, and the requests proposed; of roles that ran for a minute."""
    proposed = {}
    for role in dict.fromkeys(task.role for task in usage):
        used = {task: item for task, item in usage.items() if task.role == role and item.seconds >= MIN_RUN_SECONDS}
        cpus = {task: wanted for task, item in used.items() if (wanted := _cpus(item)) is not None}
        memory = {task: item.memory_peak for task, item in used.items() if item.memory_peak is not None}
        requests, most = {}, {}
        if cpus:
            task = max(cpus, key=cpus.__getitem__)
            requests["cpu"] = f"{_rounded_up(cpus[task] * 1000, STEP_MILLICPUS)}m"
            most["cpu"] = f"{name(task)}: {cpu_text(used[task])}"
        if memory:
            task = max(memory, key=memory.__getitem__)
            requests["memory"] = f"{_rounded_up(memory[task] * MARGIN / _MIB, STEP_MIB)}Mi"
            most["memory"] = f"{name(task)}: {memory_text(used[task])}"
        if requests:
            proposed[role] = {"requests": requests, "most": most}
    return proposed


def _cpus(usage: Usage) -> float | None:
    """The CPUs to request for a task that used so much."""
    if usage.cpus is None:
        return None
    stopped = usage.cpu_limit and (usage.throttled_share or 0.0) >= THROTTLED_SHARE
    return max(usage.cpus * MARGIN, usage.cpu_limit or 0.0 if stopped else 0.0)


def _rounded_up(amount: float, step: int) -> int:
    return max(1, math.ceil(amount / step - 1e-9)) * step
