"""The runs of a job as one HTML page, without scripts or anything from elsewhere. Pure.

Every text is from outside (programs, values, the cluster): it is escaped, and numbers are formatted as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfconfig.records.lanes import escaped, lanes
from tfconfig.records.run_records import Run, changed_text, shown_settings
from tfconfig.tensorflow_job.lifecycle.text import duration
from tfconfig.tensorflow_job.lifecycle.timestamps import format_time, parse_time
from tfconfig.tensorflow_job.lifecycle.usage import cpu_text, gpu_text, load, memory_text

WIDTH, HEIGHT = 600, 140  # of a drawing, in its own units
LONG = 40  # characters; a cell of more is given room, and the table scrolls where that is too much
_KEY = '<span class="key"><svg viewBox="0 0 1 1"><rect class="{}" width="1" height="1"/></svg> {}</span> '
_KEYS = {
    "Pending": "pending",
    "Suspended": "suspended",
    "Running": "running",
    "Restarting": "restarting",
    "Succeeded": "done",
    "Failed": "failed",
    "Waiting": "waiting",
    "Event": "event, listed below",
}
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
.Succeeded { fill: #22a55a; } .Failed { fill: #dc3545; } .Event { fill: CanvasText; } .Waiting { fill: #8883; }
.lanes th { width: 8rem; font-weight: normal; } .lanes svg { height: 14px; border: 0; } .lanes td { padding-right: 0; }
.key { white-space: nowrap; margin-right: 1rem; } .key svg { width: .8em; height: .8em; border: 0; }
.long { min-width: 12rem; } .runs td:nth-child(4) { white-space: nowrap; } .runs th:nth-child(3) { min-width: 6.2rem; }
"""


def page(name: str, runs: Sequence[Run], now: float) -> str:
    """The whole page: the newest run in full, and a table of all."""
    title = f"{escaped(name)}: {escaped(runs[-1].phase)}"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"<h1>{title}</h1>",
        *_run(runs[-1], now),
        '<h2>Runs</h2><div class="runs">',
        _table(
            ("Run", "Result", "Started (UTC)", "Duration", "Restarts", "Step", "Loss", "Changed", "Used", "Last line"),
            [_row(before, run, now, len(runs) > 1) for before, run in zip([None, *runs], runs, strict=False)],
        ),
        "</div>",
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _run(run: Run, now: float) -> list[str]:
    parts = [f"<p>{escaped(': '.join(filter(None, (run.reason, run.message))))}</p>"]
    if run.last_line:
        parts.append(f"<p>Last line: <code>{escaped(run.last_line)}</code></p>")
    if run.started is not None:
        end = run.ended or now
        rows = [f"<tr><th>{escaped(key)}</th><td>{bar}</td></tr>" for key, bar in lanes(run, run.started, end)]
        drawn = "".join(rows)
        parts += ["<h2>Timeline</h2>", f'<table class="lanes">{drawn}</table>']
        keys = [_KEY.format(kind, text) for kind, text in _KEYS.items() if f'class="{kind}"' in drawn]
        parts.append(f'<p>{"".join(keys)}<span class="key">{duration(max(end - run.started, 0.0))} in all</span></p>')
    curves = [("Step", [(_at(point["time"]), float(point["step"])) for point in run.steps])]
    losses = [(_at(point["time"]), point["loss"]) for point in run.steps]
    curves.append(("Loss", [(time, float(loss)) for time, loss in losses if loss is not None]))
    for name, column in run.metrics.items():
        values = zip(run.steps, column, strict=False)
        curves.append((name, [(_at(point["time"]), float(value)) for point, value in values if value is not None]))
    parts.append('<div class="charts">' + "".join(_curve(*curve) for curve in curves if curve[1]) + "</div>")
    happened = [(_shown(event["time"]), event["reason"], event["message"]) for event in run.events]
    if happened:
        parts += ["<h2>What happened</h2>", _table(("Time (UTC)", "What", "Message"), happened)]
    if run.usage:
        parts += [
            "<h2>What it used</h2>",
            _table(("Task", "CPUs, on average", "Memory, at most", "GPUs"), _amounts(run)),
        ]
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


def _curve(label: str, points: Sequence[tuple[float, float]]) -> str:
    times, values = [time for time, _ in points], [value for _, value in points]
    low, high = min(values), max(values)
    line = " ".join(
        f"{_scaled(time, min(times), max(times), WIDTH):.1f},{HEIGHT - 4 - _scaled(value, low, high, HEIGHT - 8):.1f}"
        for time, value in points
    )
    caption = f"{escaped(label)}: from {_number(values[0])} to {_number(values[-1])}"
    if {low, high} != {values[0], values[-1]}:
        caption += f" (least {_number(low)}, most {_number(high)})"
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><polyline points="{line}"/></svg>'
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def _scaled(value: float, low: float, high: float, size: float) -> float:
    """A place from 0 to `size`; halves, as the difference of two numbers may be too large for a number."""
    span = high / 2 - low / 2
    return min(max((value / 2 - low / 2) / span, 0.0), 1.0) * size if span > 0 else 0.0


def _row(before: Run | None, run: Run, now: float, used: bool) -> tuple[str, ...]:
    started, step = run.started, run.steps[-1] if run.steps else None
    return (
        run.run_id,
        ": ".join(filter(None, (run.phase, run.reason))),
        "" if started is None else _shown(format_time(started)),
        "" if started is None else duration(max((run.ended or now) - started, 0.0)),
        "" if run.restarts is None else str(run.restarts),
        "" if step is None else str(step["step"]),
        "" if step is None or step["loss"] is None else _number(step["loss"]),
        changed_text(before, run),
        _used(run) if used and run.ended is not None else "",
        run.last_line,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Without the columns in which there is nothing."""
    columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
    first, *others = zip(*(columns or [(cell,) for cell in head]), strict=True)
    lines = ["<tr>" + "".join(f"<th>{escaped(cell)}</th>" for cell in first) + "</tr>"]
    lines += ["<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in others]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _cell(text: str) -> str:
    return ("<td>" if len(text) <= LONG else '<td class="long">') + f"{escaped(text)}</td>"


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def _shown(time: str) -> str:
    """A time of status.json, for people."""
    return time[:19].replace("T", " ") if time.endswith("Z") else time


def _at(time: str) -> float:
    return parse_time(time) or 0.0
