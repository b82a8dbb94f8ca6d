"""Texts for people that the log, the status, `tfconfig run` and `tfconfig status` have in common. Pure."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from itertools import pairwise

from ..task.job_spec import Task, name
from ..task.progress import EPOCHS
from .state import Exit, Progress

MAX_NAMES = 3  # tasks named one by one
MAX_SECONDS_LEFT = 1e10
NO_POD = "no pod yet"  # and nothing is known of why


def one_line(text: str) -> str:
    """The text with control characters escaped: what programs print and Kubernetes quotes makes no line of its own."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int) -> str:
    """The text, cut after a word where it is longer."""
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[longest // 2 :] else cut}…"


def plural(number: int, noun: str) -> str:
    """`1 failure`, `2 failures`."""
    return f"{number} {noun}{'s' * (number != 1)}"


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
    unit = "epoch" if progress.source == EPOCHS else "step"
    parts = [f"{unit} {step} of {total} ({100 * min(step, total) // total} %)" if total else f"{unit} {step}"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4g}")
    parts += [f"{metric} {value:.4g}" for metric, value in progress.metrics.items()]
    if rate is not None:
        parts.append(f"{rate:.0f} {unit}s/s" if 100 <= rate < 1e6 else f"{rate:.3g} {unit}s/s")
    left = seconds_left(progress)
    if left is not None and left >= 1:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def seconds_left(progress: Progress) -> float | None:
    """Until the last step, at this rate; None where that is not known, or in another age."""
    step, total, rate = progress.step, progress.total, progress.rate
    left = (total - step) / rate if total and rate and rate > 0 and total >= step else None
    return left if left is not None and left < MAX_SECONDS_LEFT else None


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
    return first_few([name(task) for task in tasks[:MAX_NAMES]], len(tasks))


def first_few(texts: Sequence[str], total: int) -> str:
    """At most MAX_NAMES of so many texts, and how many more there are."""
    shown = texts[:MAX_NAMES]
    return ", ".join(shown) + (f" and {total - len(shown)} more" if total > len(shown) else "")
