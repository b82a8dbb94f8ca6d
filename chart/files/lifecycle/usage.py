"""What the tasks used (task/usage.py reports it): taken in, kept within bounds, and in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..task.contracts import JobSpec, UsageDocument
from ..task.job_spec import Task
from ..task.loaded import VERSION
from ..task.messages import USED
from .shapes import ShapeError, conforming, parse_json
from .state import Pod, State, Usage
from .text import names

MAX_TASKS = 32  # of more, the extremes of each role
MIN_RUN_SECONDS = 60.0  # what ran shorter says little
IDLE_SHARE, FULL_SHARE, THROTTLED_SHARE = 0.25, 0.9, 0.25
MAX_LINES = 6
_FIGURES = {
    "seconds": "seconds",
    "cpu_seconds": "cpuSeconds",
    "cpu_limit": "cpuLimit",
    "throttled_share": "throttledShare",
    "memory_peak": "memoryPeakBytes",
    "memory_limit": "memoryLimitBytes",
    "gpu_share": "gpuShare",
    "gpu_memory_peak": "gpuMemoryPeakBytes",
}
_KEYS = {**_FIGURES, "tensorflow": "tensorflow"}
_MAX = 2.0**62
_VERSION = re.compile(VERSION)


def parse(document: Any) -> Usage | None:
    """What a task, or whoever stands in for it, says that it used; None where that says nothing."""
    try:
        known: UsageDocument = conforming(document, UsageDocument)
    except ShapeError:
        return None
    return load(known) if is_plausible(known) and known.get("seconds") else None


def is_plausible(document: UsageDocument) -> bool:
    """Whether every amount is one that a container can use."""
    right = all(0 <= value < _MAX for key, value in document.items() if key in _FIGURES.values())  # type: ignore[operator]
    return right and bool(_VERSION.fullmatch(document.get("tensorflow", "0")))


def load(document: UsageDocument) -> Usage:
    """From the status."""
    return Usage(**{field: document[key] for field, key in _KEYS.items() if key in document})  # type: ignore[literal-required]


def dump(usage: Usage) -> UsageDocument:
    """For the status."""
    values = {key: getattr(usage, field) for field, key in _KEYS.items()}
    return {key: value for key, value in values.items() if value is not None}  # type: ignore[return-value]


def split_message(message: str) -> tuple[str, Usage | None]:
    """A termination message without its last line, if that says what was used; and what it says."""
    text, _, last = message.rstrip().rpartition("\n")
    if not last.startswith(USED):
        return message, None
    try:
        return text, parse(parse_json(last[len(USED) :]))
    except ShapeError:
        return text, None


def take_in_usage(job: JobSpec, state: State, answers: Mapping[Task, Usage], pods: Mapping[Task, Pod]) -> State:
    """The state with what tasks answered and what they said when they ended."""
    new = {task: usage for task, usage in answers.items() if task.index < job["replicas"].get(task.role, 0)}
    for pod in pods.values():
        for exit_ in (pod.last, pod.current):
            if exit_ and exit_.usage:
                new[pod.task] = _merged(new[pod.task], exit_.usage) if pod.task in new else exit_.usage
    few = sum(job["replicas"].values()) <= MAX_TASKS
    known = dict(state.usage)
    for task, usage in new.items():  # of many, what was known of most is not kept
        known[task] = _merged(known[task], usage) if few and task in known else usage
    return state if known == state.usage else replace(state, usage=bounded(known))


def _merged(first: Usage, second: Usage) -> Usage:
    """Of the container that ran longer, with the highest peaks of both."""
    longer, shorter = (first, second) if first.seconds >= second.seconds else (second, first)
    return replace(
        longer,
        memory_peak=_highest(longer.memory_peak, shorter.memory_peak),
        gpu_memory_peak=_highest(longer.gpu_memory_peak, shorter.gpu_memory_peak),
        tensorflow=longer.tensorflow or shorter.tensorflow,
    )


def _highest(*numbers: int | None) -> int | None:
    return max((number for number in numbers if number is not None), default=None)


def bounded(usage: Mapping[Task, Usage]) -> dict[Task, Usage]:
    """All of a few tasks; of many, for each role the tasks with the most and the least of something."""
    if len(usage) <= MAX_TASKS:
        return dict(sorted(usage.items()))
    extremes = set[Task]()
    for role in {task.role for task in usage}:
        of_role = {task: used for task, used in sorted(usage.items()) if task.role == role}
        for figure in (cpu_share, memory_share, lambda used: used.throttled_share, lambda used: used.gpu_share):
            figures = {task: number for task, used in of_role.items() if (number := figure(used)) is not None}
            if figures:
                extremes |= {max(figures, key=figures.__getitem__), min(figures, key=figures.__getitem__)}
    return {task: usage[task] for task in sorted(extremes)}


def cpu_share(usage: Usage) -> float | None:
    """CPUs used, of the limit; in CPUs where there is none."""
    return None if usage.cpus is None else usage.cpus / (usage.cpu_limit or 1.0)


def memory_share(usage: Usage) -> float | None:
    """The peak, of the limit; in bytes where there is none."""
    return None if usage.memory_peak is None else usage.memory_peak / (usage.memory_limit or 1)


# --- for people -----------------------------------------------------------------------------------------------------


def cpu_text(usage: Usage) -> str:
    """`0.4 of 4`, `0.4`; with the share of throttled periods where that matters."""
    if usage.cpus is None:
        return ""
    text = f"{usage.cpus:.1f}" + (f" of {usage.cpu_limit:g}" if usage.cpu_limit else "")
    throttled = usage.throttled_share or 0.0
    return f"{text} ({_percent(throttled)} throttled)" if throttled >= THROTTLED_SHARE else text


def memory_text(usage: Usage) -> str:
    """`3.8 of 4 GiB`, `310 MiB`."""
    return "" if usage.memory_peak is None else _of_bytes(usage.memory_peak, usage.memory_limit)


def gpu_text(usage: Usage) -> str:
    """`62 %, 30.1 GiB`."""
    parts = [] if usage.gpu_share is None else [_percent(usage.gpu_share)]
    parts += [] if usage.gpu_memory_peak is None else [_of_bytes(usage.gpu_memory_peak, None)]
    return ", ".join(parts)


def usage_lines(usage: Mapping[Task, Usage]) -> list[str]:
    """What is worth a line at the end of a job: what was hardly used, and what was nearly not enough."""
    remarks: list[tuple[str, Task]] = []
    for task, used in sorted(usage.items()):
        memory = memory_share(used) if used.memory_limit else None
        if memory is not None and memory >= FULL_SHARE:
            remarks.append((f"peaked at {memory_text(used)} of memory", task))
        if used.seconds < MIN_RUN_SECONDS:
            continue
        throttled = used.throttled_share or 0.0
        if throttled >= THROTTLED_SHARE:
            remarks.append(
                (f"was stopped by its limit of {_cpus(used.cpu_limit)} in {_percent(throttled)} of the time", task)
            )
        elif used.cpus is not None and used.cpu_limit and used.cpus < IDLE_SHARE * used.cpu_limit:
            remarks.append((f"used {used.cpus:.1f} of {_cpus(used.cpu_limit)}", task))
        if used.gpu_share is not None and used.gpu_share < IDLE_SHARE:
            remarks.append((f"used {_percent(used.gpu_share)} of its GPUs", task))
    return _grouped(remarks)


def _grouped(remarks: Iterable[tuple[str, Task]]) -> list[str]:
    """A line for each text, with all its tasks."""
    tasks: dict[tuple[str, str], list[Task]] = {}
    for text, task in remarks:
        tasks.setdefault((text, task.role), []).append(task)
    lines = [f"{names(alike)} {text}" for (text, _), alike in tasks.items()]
    more = [f"and {len(lines) - MAX_LINES} more like these: tfconfig status -o wide"] if len(lines) > MAX_LINES else []
    return lines[:MAX_LINES] + more


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _cpus(limit: float | None) -> str:
    return "1 CPU" if limit == 1 else f"{limit or 0:g} CPUs"


def _of_bytes(number: int, limit: int | None) -> str:
    """Both in the unit of the larger one."""
    size, unit = next(((1 << 30, "GiB") for _ in [0] if max(number, limit or 0) >= 1 << 30), (1 << 20, "MiB"))
    of = f" of {limit / size:.3g}" if limit else ""
    return f"{number / size:.{1 if size == 1 << 30 else 0}f}{of} {unit}"
