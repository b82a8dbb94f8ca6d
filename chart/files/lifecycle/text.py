"""Texts for people that the log, the status, `tfconfig run` and `tfconfig status` have in common. Pure."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from itertools import pairwise

from ..task.job_spec import Task, name
from .state import Exit, Progress

MAX_NAMES = 3  # tasks named one by one


def one_line(text: str) -> str:
    """The text with control characters escaped: what programs print and Kubernetes quotes makes no line of its own."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def duration(seconds: float) -> str:
    """A time span in its two largest units: `2 h 7 min`; clocks that disagree make no negative one."""
    left = max(int(seconds), 0)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (unit, size), (smaller_unit, smaller) in pairwise(units):
        if left >= size:
            rest = left % size // smaller
            return f"{left // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{left} s"


def progress_text(progress: Progress) -> str:
    """`step 1200 of 5000 (24 %), loss 0.13, 250 steps/s, 15 s left`; what is not known is left out."""
    step, total, rate = progress.step, progress.total, progress.rate
    parts = [f"step {step} of {total} ({100 * min(step, total) // total} %)" if total else f"step {step}"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4g}")
    if rate is not None:
        parts.append(f"{rate:.3g} steps/s" if rate < 100 else f"{rate:.0f} steps/s")
    left = seconds_left(progress)
    if left is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def seconds_left(progress: Progress) -> float | None:
    """Until the last step, at this rate; None where that is not known."""
    step, total, rate = progress.step, progress.total, progress.rate
    return (total - step) / rate if total and rate and rate > 0 and total >= step else None


def exit_text(exit_: Exit) -> str:
    """`exited 137 (OOMKilled)`, `exited 139 (SIGSEGV)`, `exited 1`: Kubernetes' reason where it says more."""
    reason = exit_.reason if exit_.reason not in ("", "Error", "Completed") else ""
    if not reason and 128 < exit_.code < 160:
        try:
            reason = signal.Signals(exit_.code - 128).name
        except ValueError:
            reason = f"signal {exit_.code - 128}"
    return f"exited {exit_.code}" + (f" ({reason})" if reason else "")


def names(tasks: Sequence[Task]) -> str:
    """`worker-0, worker-1, worker-2 and 5 more`."""
    more = f" and {len(tasks) - MAX_NAMES} more" if len(tasks) > MAX_NAMES else ""
    return ", ".join(name(task) for task in tasks[:MAX_NAMES]) + more
