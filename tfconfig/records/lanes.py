"""When a run was in which phase, and its tasks ran and were done: bars on one axis of time. Pure."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tfconfig.records.run_records import Run
from tfconfig.tensorflow_job.lifecycle.state import PENDING, PHASES
from tfconfig.tensorflow_job.lifecycle.text import duration
from tfconfig.tensorflow_job.lifecycle.timestamps import parse_time

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import StatusChange

WIDTH, HEIGHT = 600, 14  # of a bar, in its own units
MARK = 3  # the least width of a phase, and that of an event


def lanes(run: Run, start: float, end: float) -> list[tuple[str, str]]:
    """Label and bar between these times, as SVG: the job, its roles, and single tasks."""
    bars = [("job", _phases(run, start, end))]
    shown = Counter(key.rpartition("-")[0] for key in run.timelines)  # tasks of a role
    for key, line in run.timelines.items():
        most = max((change["running"] + change["done"] for change in line), default=0)
        total = max(_replicas(run, key), most, 1)
        if shown[key] < total:  # else each of its tasks has a bar
            bars.append((f"{key} ({total})" if "-" not in key else key, _bar(line, total, start, end)))
    return bars


def escaped(text: str) -> str:
    """As HTML, and without what no page may contain."""
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return html.escape(shown)


def _phases(run: Run, start: float, end: float) -> str:
    """The phases in the order of time, and marks for what else happened."""
    events = [(parse_time(event["time"]) or start, event["reason"], event["message"]) for event in run.events]
    phases = [(start, PENDING), *((time, reason) for time, reason, _ in events if reason in PHASES)]
    parts = []
    for (since, phase), (until, _) in zip(phases, [*phases[1:], (end, "")], strict=True):
        left, right = min(_place(since, start, end), WIDTH - MARK), _place(until, start, end)
        text = f"{phase}: {duration(max(until - since, 0.0))}"
        parts.append(_rect(phase, left, max(right - left, MARK), 0, HEIGHT, text))
    for time, reason, message in events:
        if reason not in PHASES:
            left = min(_place(time, start, end), WIDTH - MARK)
            parts.append(_rect("Event", left, MARK, 0, HEIGHT, f"{reason}: {message}"))
    return _svg(parts)


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
                parts.append(_rect(phase, left, max(right - left, 1), max(bottom, 0.0), height, text))
    return _svg([f'<rect class="Waiting" x="0" y="0" width="{WIDTH}" height="{HEIGHT}"/>', *parts])


def _rect(kind: str, left: float, width: float, top: float, height: float, text: str) -> str:
    place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place}><title>{escaped(text)}</title></rect>'


def _svg(parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">{"".join(parts)}</svg>'


def _place(time: float, start: float, end: float) -> float:
    return min(max((time - start) / (end - start), 0.0), 1.0) * WIDTH if end > start else 0.0
