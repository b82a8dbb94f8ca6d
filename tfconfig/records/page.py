"""The runs of a job as one HTML page, without scripts or anything from elsewhere. Pure.

Every text is from outside (programs, values, the cluster): it is escaped, and numbers are formatted as numbers.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from tfconfig.records.lanes import lanes
from tfconfig.records.run_records import Run, changed_text, shown_settings
from tfconfig.tensorflow_job.lifecycle.state import PHASES
from tfconfig.tensorflow_job.lifecycle.text import duration
from tfconfig.tensorflow_job.lifecycle.timestamps import format_time, parse_time
from tfconfig.tensorflow_job.lifecycle.usage import cpu_text, gpu_text, load, memory_text

WIDTH, HEIGHT = 600, 140  # of a drawing, in its own units
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 0 auto; padding: 1rem 1.5rem; }
h1, h2, p { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #8886; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; } svg { width: 100%; height: auto; border-bottom: 1px solid #8886; }
polyline { fill: none; stroke: #3b82f6; stroke-width: 2; }
.Pending, .Suspended { fill: #94a3b8; } .Running { fill: #3b82f6; } .Restarting { fill: #f59e0b; }
.lanes th { width: 8rem; font-weight: normal; } .lanes svg { height: 14px; border: 0; } .Waiting { fill: #8883; }
.Succeeded { fill: #22a55a; } .Failed { fill: #dc3545; }
"""


def page(name: str, runs: Sequence[Run], now: float) -> str:
    """The whole page: the newest run in full, and a table of all."""
    title = f"{_text(name)}: {_text(runs[-1].phase)}"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"<h1>{title}</h1>",
        *_run(runs[-1], now),
        "<h2>Runs</h2>",
        _table(
            (
                "Run",
                "Result",
                "Started",
                "Duration",
                "Restarts",
                "Step",
                "Loss",
                "Changed",
                "Used at most",
                "Last line",
            ),
            [_row(before, run, now) for before, run in zip([None, *runs], runs, strict=False)],
        ),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _run(run: Run, now: float) -> list[str]:
    parts = [f"<p>{_text(': '.join(filter(None, (run.reason, run.message))))}</p>"]
    if run.last_line:
        parts.append(f"<p>Last line: <code>{_text(run.last_line)}</code></p>")
    if run.started is not None:
        end = run.ended or now
        parts += ["<h2>Timeline</h2>", _timeline(run, run.started, end)]
        rows = [f"<tr><th>{_text(key)}</th><td>{bar}</td></tr>" for key, bar in lanes(run, run.started, end)]
        if rows:
            parts += [f'<table class="lanes">{"".join(rows)}</table>', "<p>Blue: runs; green: done; empty: waits.</p>"]
    curves = [("Step", [(_at(point["time"]), float(point["step"])) for point in run.steps])]
    losses = [(_at(point["time"]), point["loss"]) for point in run.steps]
    curves.append(("Loss", [(time, float(loss)) for time, loss in losses if loss is not None]))
    for name, column in run.metrics.items():
        values = zip(run.steps, column, strict=False)
        curves.append((name, [(_at(point["time"]), float(value)) for point, value in values if value is not None]))
    parts.append('<div class="charts">' + "".join(_curve(*curve) for curve in curves if curve[1]) + "</div>")
    happened = [(event["time"], event["reason"], event["message"]) for event in run.events]
    if happened:
        parts += ["<h2>What happened</h2>", _table(("Time", "What", "Message"), happened)]
    if run.usage:
        parts += ["<h2>What it used</h2>", _table(("Task", "CPUs", "Memory, at most", "GPUs"), _amounts(run))]
    if run.settings:
        parts += ["<h2>Settings</h2>", _table(("Setting", "Value"), shown_settings(run))]
    return parts


def _amounts(run: Run) -> list[tuple[str, str, str, str]]:
    """What each task used, as far as it is known: CPUs, memory, GPUs."""
    used = {task: load(document) for task, document in run.usage.items()}
    return [(task, cpu_text(usage), memory_text(usage), gpu_text(usage)) for task, usage in used.items()]


def _used(run: Run) -> str:
    """`worker-0: 0.4 of 4 CPUs, 3.8 of 4 GiB`, of those that used most."""
    tasks = ((task, [f"{cpus} CPUs" if cpus else "", memory, gpus]) for task, cpus, memory, gpus in _amounts(run))
    return "; ".join(f"{task}: {', '.join(filter(None, parts))}" for task, parts in tasks)


def _timeline(run: Run, start: float, end: float) -> str:
    """A bar for each phase, in the order of time."""
    phases = [(start, "Pending")]
    phases += [(_at(event["time"]), event["reason"]) for event in run.events if event["reason"] in PHASES]
    bars = []
    for (since, phase), (until, _) in zip(phases, [*phases[1:], (end, "")], strict=True):
        left, right = _scaled(since, start, end, WIDTH), _scaled(until, start, end, WIDTH)
        title = f"{_text(phase)}: {duration(max(until - since, 0.0))}"
        bar = f'<rect class="{_text(phase)}" x="{left:.1f}" y="0" width="{max(right - left, 2):.1f}" height="24">'
        bars.append(f"{bar}<title>{title}</title></rect>")
    shown = ", ".join(dict.fromkeys(phase for _, phase in phases))
    caption = f"<figcaption>{_text(shown)}; {duration(max(end - start, 0.0))} in all</figcaption>"
    return f'<figure><svg viewBox="0 0 {WIDTH} 24" role="img">{"".join(bars)}</svg>{caption}</figure>'


def _curve(label: str, points: Sequence[tuple[float, float]]) -> str:
    times, values = [time for time, _ in points], [value for _, value in points]
    low, high = min(values), max(values)
    line = " ".join(
        f"{_scaled(time, min(times), max(times), WIDTH):.1f},{HEIGHT - 4 - _scaled(value, low, high, HEIGHT - 8):.1f}"
        for time, value in points
    )
    caption = f"{_text(label)}: from {values[0]:.6g} to {values[-1]:.6g} (least {low:.6g}, most {high:.6g})"
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><polyline points="{line}"/></svg>'
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def _scaled(value: float, low: float, high: float, size: float) -> float:
    """A place from 0 to `size`; halves, as the difference of two numbers may be too large for a number."""
    span = high / 2 - low / 2
    return min(max((value / 2 - low / 2) / span, 0.0), 1.0) * size if span > 0 else 0.0


def _row(before: Run | None, run: Run, now: float) -> tuple[str, ...]:
    started, step = run.started, run.steps[-1] if run.steps else None
    return (
        run.run_id,
        ": ".join(filter(None, (run.phase, run.reason))),
        "" if started is None else format_time(started),
        "" if started is None else duration(max((run.ended or now) - started, 0.0)),
        "" if run.restarts is None else str(run.restarts),
        "" if step is None else str(step["step"]),
        "" if step is None or step["loss"] is None else f"{step['loss']:.6g}",
        changed_text(before, run),
        "" if run.ended is None else _used(run),
        run.last_line,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _text(text: str) -> str:
    """Escaped, and without what no page may contain."""
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return html.escape(shown)


def _at(time: str) -> float:
    return parse_time(time) or 0.0
