"""The report: a Markdown page with tables, and plots beside it, from the figures of all parts that were measured."""

from __future__ import annotations

import json
from typing import Any

from . import scale
from .goals import goals
from .markdown import number, table, wrapped
from .measure import OUT
from .rows import Rows

COMMAND = "make bench"


def write() -> None:
    """Write build/bench/report.md and its plots."""
    parts = {name: json.loads((OUT / f"{name}.json").read_text()) for name in _measured()}
    lines = ["# What a job costs, from 10 to 5,000 tasks", "", *_intro(parts)]
    rows = {name: Rows(part["rows"]) for name, part in parts.items()}
    lines += goals(rows.get("cluster"), rows.get("entrypoint"))
    for name, section in {"cluster": scale.section, "entrypoint": _entrypoint, "tool": _tool}.items():
        lines += section(rows[name]) if name in rows else []
    if "cluster" in rows:
        scale.plots(rows["cluster"], OUT)
    (OUT / "report.md").write_text("\n".join(map(wrapped, lines)).rstrip() + "\n")
    print(f"wrote {OUT / 'report.md'}")


def _measured() -> list[str]:
    return [name for name in ("cluster", "entrypoint", "tool") if (OUT / f"{name}.json").exists()]


def _intro(parts: dict[str, Any]) -> list[str]:
    lines = [
        f"Written by `{COMMAND}` ([bench](../bench/README.md)); seconds unless a column says otherwise. "
        "Numbers behind a slash are goals. Releases and bare StatefulSets of up to 1,000 tasks: the median of "
        "three, in turns.",
        "",
    ]
    for name, part in parts.items():
        lines.append(f"- {name}: {part['date']} UTC on {part['machine']}.")
    return [*lines, ""]


def _entrypoint(rows: Rows) -> list[str]:
    lines = []
    for row in rows.all("start"):
        added = f"{row['milliseconds']:.0f} ms ({row['least']:.0f} minimum; {row['cpu']:.0f} ms of CPU)"
        lines.append([f"added before the program starts, job of {row['tasks']:,} tasks", added, "60 ms"])
        lines.append(["peak memory until then", f"{row['peak']:.1f} MiB", "16 MiB"])
    titles = {"running": "memory while the program runs", "parked": "memory of a finished task that waits"}
    for kind, title in titles.items():
        for row in rows.all(kind):
            goal = "12 MiB" if kind == "running" else ""
            lines.append([title, f"{row['resident']:.1f} MiB, {row['private']:.1f} of them its own", goal])
            if "watching" in row:
                lines.append(["and of the process that sees its progress", f"{row['watching']:.1f} MiB", ""])
    for row in rows.all("output"):
        rates = f"{row['with_entrypoint']:,.0f} and {row['without']:,.0f} MB/s"
        rates += f", ratio {row['ratio']:.3f} (standard error {row['error']:.3f})"
        lines.append(["output of the program, with and without", rates, "0.99"])
    for row in rows.all("steps"):
        rates = f"{row['with_entrypoint']:.1f} and {row['without']:.1f} steps/s"
        rates += f", ratio {row['ratio']:.3f} (standard error {row['error']:.3f})"
        lines.append(["digits example, with and without at the same time", rates, "0.99"])
    return [
        "## The entrypoint in each pod",
        "",
        "Beside the same program without it, in turns.",
        "",
        *table(" | measured | goal", lines),
        "",
    ]


def _tool(rows: Rows) -> list[str]:
    lines = (
        [f"`tfconfig {row['command']}`", f"{row['seconds']:.2f}", f"{row['peak']:.0f}", number(row["printed"])]
        for row in rows.all("tool")
    )
    return ["## The tool, 5,000 tasks", "", *table(" | seconds | peak MiB | bytes printed", lines), ""]
