"""When the tasks of a run ran and were done: a bar for each role, and for single tasks. Pure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tfconfig.records.run_records import Run
from tfconfig.tensorflow_job.lifecycle.text import duration
from tfconfig.tensorflow_job.lifecycle.timestamps import parse_time

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import StatusChange

WIDTH, HEIGHT = 600, 14  # of a bar, in its own units


def lanes(run: Run, start: float, end: float) -> list[tuple[str, str]]:
    """Role, or task, and its bar between these times, as SVG; those of roles first."""
    bars = []
    for key, line in run.timelines.items():
        most = max((change["running"] + change["done"] for change in line), default=0)
        total = max(_replicas(run, key), most, 1)
        bars.append((f"{key} ({total})" if "-" not in key else key, _bar(line, total, start, end)))
    return bars


def _replicas(run: Run, role: str) -> int:
    text = (run.settings or {}).get(f"{role}.replicas", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _bar(line: Sequence[StatusChange], total: int, start: float, end: float) -> str:
    """Tasks that run from below, on those that are done; what is empty waits."""
    parts = []
    last: StatusChange = {"time": "", "running": 0, "done": 0}
    for change, following in pairwise([*line, last]):
        since, until = parse_time(change["time"]) or start, parse_time(following["time"]) or end
        left, right = _place(since, start, end), _place(until, start, end)
        text = f"{change['running']} run, {change['done']} done of {total}: {duration(max(until - since, 0.0))}"
        bottom = float(HEIGHT)
        for phase, number in (("Succeeded", change["done"]), ("Running", change["running"])):
            height = HEIGHT * min(number / total, 1.0)
            bottom -= height
            if number:
                place = f'x="{left:.1f}" y="{max(bottom, 0.0):.1f}" width="{max(right - left, 1):.1f}"'
                place += f' height="{height:.1f}"'
                parts.append(f'<rect class="{phase}" {place}><title>{html.escape(text)}</title></rect>')
    back = f'<rect class="Waiting" x="0" y="0" width="{WIDTH}" height="{HEIGHT}"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">{back}{"".join(parts)}</svg>'


def _place(time: float, start: float, end: float) -> float:
    return min(max((time - start) / (end - start), 0.0), 1.0) * WIDTH if end > start else 0.0
