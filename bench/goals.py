"""The goals, and whether they were met."""

from __future__ import annotations

from collections.abc import Iterator

from .markdown import table
from .rows import Rows, share, sizes

Goal = tuple[str, float, str, float]
"""What is measured, the figure, its unit, and the goal: at most so much; at least, where it is negative."""


def goals(cluster: Rows | None, entrypoint: Rows | None) -> list[str]:
    """The section about the goals of the parts that were measured."""
    lines = []
    for title, measured, unit, goal in [*_cluster(cluster), *_entrypoint(entrypoint)]:
        met = measured >= -goal if goal < 0 else measured <= goal
        text = f"at {'least' if goal < 0 else 'most'} {abs(goal):g}{unit}"
        lines.append([title, f"{measured:.3g}{unit}", text, "" if met else "missed"])
    return ["## Goals", "", *table(" | measured | goal | ", lines), ""]


def _cluster(rows: Rows | None) -> Iterator[Goal]:
    if rows is None:
        return
    for tasks in sizes(rows):
        bare, ours = rows.row("bare set", tasks), rows.row("release", tasks)
        if tasks >= 100 and bare:
            yield f"pods created at {tasks:,} tasks, of a bare StatefulSet's rate", share(bare, ours), "", -0.95
    for row in rows.all("release"):
        if row["tasks"] < 100:
            yield f"`helm install` and start of the lifecycle, {row['tasks']} tasks", row["scaled"], " s", 3
        if row["tasks"] >= 1000:
            largest = max(row["job_bytes"], row["status_bytes"]) / 1024
            yield f"{row['tasks']:,} tasks: larger of the ConfigMaps about the job", largest, " KiB", 32
        if row["tasks"] == 100:
            yield "idle cost at 100 tasks", row["idle_millicores"], " millicores", 5
        if row["tasks"] == 1000:
            yield "1,000 tasks: all pods gone after the deciding exit", row["gone"], " s", 10
        if row["tasks"] == 5000:
            yield "5,000 tasks: peak memory of the lifecycle", row["peak"], " MiB", 64
            yield "5,000 tasks: its CPU from install to all running", row["start_cpu"], " s", 30
            yield "5,000 tasks: outcome recorded after the deciding exit", row["recorded"], " s", 2
    ours, theirs = rows.row("real release"), rows.row("real tfjob")
    if ours and theirs:
        yield "real containers: freed faster than TFJob, times", theirs["over"][0] / ours["over"][0], "", -5


def _entrypoint(rows: Rows | None) -> Iterator[Goal]:
    if rows is None:
        return
    for row in rows.all("start"):
        yield f"added before the program starts, {row['tasks']:,} tasks", row["milliseconds"], " ms", 60
        yield f"memory before the program starts, {row['tasks']:,} tasks", row["peak"], " MiB", 16
    yield "memory while the program runs", rows.row("running")["resident"], " MiB", 12
    for kind, title in (("output", "output of the program"), ("steps", "steps a second, digits example")):
        if rows.row(kind):
            yield f"{title}, with the entrypoint divided by without", rows.row(kind)["ratio"], "", -0.99
