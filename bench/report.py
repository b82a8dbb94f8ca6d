"""The report: a Markdown page with tables, and plots beside it, from the figures of all parts that were measured."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from textwrap import fill
from typing import Any

from .measure import OUT, Row
from .plot import Points, chart

COMMAND = "make bench"
MAX_TF_CONFIG = 131_061
OBJECT_BYTES = ("bytes", "job_bytes", "code_bytes", "lifecycle_bytes", "release_secret")


def write() -> None:
    """Write build/bench/report.md and its plots."""
    parts = {name: json.loads((OUT / f"{name}.json").read_text()) for name in _measured()}
    sections = {"cluster": _cluster, "entrypoint": _entrypoint, "tool": _tool}
    lines = ["# What a job costs, from 10 to 5,000 tasks", "", *_intro(parts)]
    rows = {name: _Rows(part["rows"]) for name, part in parts.items()}
    lines += _goals([*_cluster_goals(rows.get("cluster")), *_entrypoint_goals(rows.get("entrypoint"))])
    for name, section in sections.items():
        if name in rows:
            lines += section(rows[name])
    (OUT / "report.md").write_text("\n".join(map(_wrapped, lines)).rstrip() + "\n")
    print(f"wrote {OUT / 'report.md'}")


def _measured() -> list[str]:
    return [name for name in ("cluster", "entrypoint", "tool") if (OUT / f"{name}.json").exists()]


class _Rows:
    """Figures by kind, size and command; of what was measured several times, the median of each figure."""

    def __init__(self, rows: list[Row]) -> None:
        alike: dict[tuple[str, int, str], list[Row]] = {}
        for row in rows:
            alike.setdefault((row["kind"], row.get("tasks", 0), row.get("command", "")), []).append(row)
        self._rows = [_median(several) for several in alike.values()]

    def all(self, kind: str) -> list[Row]:
        """All rows of a kind, in the order of their size."""
        return sorted((row for row in self._rows if row["kind"] == kind), key=lambda row: row.get("tasks", 0))

    def one(self, kind: str, tasks: int | None = None) -> Row:
        """The row of a kind and size; empty where there is none."""
        found = [row for row in self.all(kind) if tasks in (None, row.get("tasks"))]
        return found[-1] if found else {}


def _median(rows: list[Row]) -> Row:
    """The median of each figure; of what is no number, the last."""
    return {
        key: statistics.median_low([row[key] for row in rows]) if isinstance(value, (int, float)) else value
        for key, value in rows[-1].items()
    }


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


# --- goals --------------------------------------------------------------------------------------------------------

Goal = tuple[str, float, str, float]
"""What is measured, the figure, its unit, and the goal: at most so much; at least, where it is negative."""


def _goals(goals: list[Goal]) -> list[str]:
    table = []
    for title, figure, unit, goal in goals:
        met = figure >= -goal if goal < 0 else figure <= goal
        words = f"at {'least' if goal < 0 else 'most'} {abs(goal):g}{unit}"
        table.append([title, f"{figure:.3g}{unit}", words, "" if met else "missed"])
    return ["## Goals", "", *_table(" | measured | goal | ", table), ""]


def _cluster_goals(rows: _Rows | None) -> Iterator[Goal]:
    if rows is None:
        return
    for tasks in _sizes(rows):
        bare, ours = rows.one("bare set", tasks), rows.one("release", tasks)
        if tasks >= 100 and bare:
            yield f"pods created at {tasks:,} tasks, of a bare StatefulSet's rate", _share(bare, ours), "", -0.95
    for row in rows.all("release"):
        if row["tasks"] < 100:
            yield f"`helm install` and start of the lifecycle, {row['tasks']} tasks", row["scaled"], " s", 3
        if row["tasks"] >= 1000:
            largest = max(row["job_bytes"], row["status_bytes"]) / 1024
            yield f"{row['tasks']:,} tasks: larger of the ConfigMaps that tell of the job", largest, " KiB", 32
        if row["tasks"] == 100:
            yield "idle cost at 100 tasks", row["idle_millicores"], " millicores", 5
        if row["tasks"] == 1000:
            yield "1,000 tasks: all pods gone after the deciding exit", row["gone"], " s", 10
        if row["tasks"] == 5000:
            yield "5,000 tasks: peak memory of the lifecycle", row["peak"], " MiB", 64
            yield "5,000 tasks: its CPU from install to all running", row["start_cpu"], " s", 30
            yield "5,000 tasks: outcome recorded after the deciding exit", row["recorded"], " s", 2
    ours, theirs = rows.one("real release"), rows.one("real tfjob")
    if ours and theirs:
        yield "real containers: freed so many times faster than TFJob", theirs["over"][0] / ours["over"][0], "", -5


def _entrypoint_goals(rows: _Rows | None) -> Iterator[Goal]:
    if rows is None:
        return
    for row in rows.all("start"):
        yield f"added before the program starts, {row['tasks']:,} tasks", row["milliseconds"], " ms", 60
        yield f"memory before the program starts, {row['tasks']:,} tasks", row["peak"], " MiB", 16
    yield "memory while the program runs", rows.one("running")["resident"], " MiB", 12
    for kind, title in (("output", "output of the program"), ("steps", "steps a second, digits example")):
        if rows.one(kind):
            yield f"{title}, with the entrypoint by without", rows.one(kind)["ratio"], "", -0.99


# --- jobs on a cluster --------------------------------------------------------------------------------------------


def _cluster(rows: _Rows) -> list[str]:
    lines = [
        "## Start",
        "",
        "From the command to pods that run, on fake nodes that start a container at once: what is left is the cost of "
        "the control plane and of the controllers. The controller manager makes 20 pods a second, whoever asks for "
        "them, and 30 at once. A bare StatefulSet of the same size and pods is the measure. *Lifecycle starts*: until "
        "the sets have been given their sizes, `helm install` included. *Rate*: pods a second after the first 30, as a "
        "share of the bare set's; what three sets need more than one at their beginning is in the seconds. *Names*: "
        "until every pod has a name in DNS (TFJob makes a Service for each). Writes: by all clients.",
        "",
        *_table(
            "tasks | bare set: all run | release: lifecycle starts / 3 | all run | rate / 0.95 | told Running | writes "
            "| TFJob: all run | names | told Running | writes",
            (_start_row(rows, tasks) for tasks in _sizes(rows)),
        ),
        "",
        "![Seconds until all pods run](scale-start.svg)",
        "",
        "## End",
        "",
        "From the end of the chief's program. The fake nodes let go of a pod at once; containers that take their time "
        "are below. *Scaled*: all sets asked for 0. TFJob with `cleanPodPolicy: Running`; by default its pods stay.",
        "",
        *_table(
            "tasks | release: outcome told / 2 | scaled | all gone | Job complete | bare set scaled to 0: all gone | "
            "TFJob: outcome told | all gone",
            (_end_row(rows, tasks) for tasks in _sizes(rows)),
        ),
        "",
        "![Seconds until all pods are gone](scale-end.svg)",
        "",
        "## What it takes",
        "",
        "The lifecycle of one release (a Python program in a pod of its own, gone with the job), and TFJob's operator "
        "(one for the cluster, stays).",
        "",
        *_table(
            "tasks | lifecycle: peak MiB / 64 | CPU s until all run / 30 | CPU s in all | idle, millicores / 5 | "
            "status.json, most bytes | its writes | operator: MiB after the job | CPU s until all run | "
            "TF_CONFIG in each pod, bytes",
            (_cost_row(rows, tasks) for tasks in _sizes(rows)),
        ),
        "",
        "![Memory of the controller](scale-memory.svg)",
        "",
        f"TF_CONFIG must fit in {MAX_TF_CONFIG:,} bytes. A release computes it in the pod; its Helm objects are:",
        "",
        *_table(
            "tasks | objects | bytes of all | job.json / 32,768 | code in each pod | the lifecycle's code | "
            "Helm's own Secret",
            (
                [
                    _int(row["tasks"]),
                    row["objects"],
                    *(_int(row[kind]) for kind in OBJECT_BYTES),
                ]
                for row in rows.all("release")
            ),
        ),
        "",
        *_requests(rows),
        *_failures(rows),
        *_many(rows),
        *_real(rows),
    ]
    _plots(rows)
    return lines


def _sizes(rows: _Rows) -> list[int]:
    return [row["tasks"] for row in rows.all("release")]


def _start_row(rows: _Rows, tasks: int) -> list[Any]:
    bare, ours, theirs = (rows.one(kind, tasks) for kind in ("bare set", "release", "tfjob"))
    return [
        _int(tasks),
        _seconds(bare, "running"),
        _seconds(ours, "scaled"),
        _seconds(ours, "running"),
        f"{_share(bare, ours):.2f}" if bare and tasks >= 100 else "",
        _seconds(ours, "told", "running"),
        _int(ours["writes"]),
        _seconds(theirs, "running"),
        _seconds(theirs, "named"),
        _seconds(theirs, "told"),
        _int(theirs["writes"]) if theirs else "",
    ]


def _share(bare: Row, ours: Row) -> float:
    """Pods a second, as a share of the bare set's."""
    return float(ours["rate"] / bare["rate"])


def _end_row(rows: _Rows, tasks: int) -> list[Any]:
    bare, ours, theirs = (rows.one(kind, tasks) for kind in ("bare set", "release", "tfjob"))
    return [
        _int(tasks),
        *(_seconds(ours, key) for key in ("recorded", "all_scaled", "gone", "complete")),
        _seconds(bare, "gone"),
        _seconds(theirs, "recorded"),
        _seconds(theirs, "gone"),
    ]


def _cost_row(rows: _Rows, tasks: int) -> list[Any]:
    ours, theirs = rows.one("release", tasks), rows.one("tfjob", tasks)
    return [
        _int(tasks),
        f"{ours['peak']:.1f}",
        _seconds(ours, "start_cpu"),
        _seconds(ours, "cpu"),
        f"{ours['idle_millicores']:.1f}",
        _int(ours["status_bytes"]),
        _int(ours["status_writes"]),
        f"{theirs['operator_resident']:.0f}" if theirs else "",
        _seconds(theirs, "operator_cpu"),
        _int(theirs["tf_config"]) if theirs else "",
    ]


def _requests(rows: _Rows) -> list[str]:
    sizes = _sizes(rows)
    kinds: dict[str, None] = {}
    for row in rows.all("release"):
        kinds |= dict.fromkeys(row["requests"])
    lines = [
        "The requests of the lifecycle, by verb and kind, from the start of the job to its end"
        f"{', failures included' if max(sizes) >= 1000 else ''}. A watch is counted when it ends.",
        "",
    ]
    table = [[kind, *(rows.one("release", tasks)["requests"].get(kind, 0) for tasks in sizes)] for kind in kinds]
    return [*lines, *_table(" | ".join(["request", *(f"{tasks:,} tasks" for tasks in sizes)]), table), ""]


def _failures(rows: _Rows) -> list[str]:
    lines = []
    injected = [row for row in rows.all("release") if "injected" in row]
    if injected:
        lines += [
            "## Failures",
            "",
            "One program in a hundred fails within a minute. Each must be counted once as a restart; "
            "failures that fall together are one wave, and count once for `backoffLimit`.",
            "",
            *_table(
                "tasks | programs that failed | restarts told | waves counted | writes of the status",
                (
                    [_int(row["tasks"]), *(row[key] for key in ("injected", "restarts", "failures", "failing_writes"))]
                    for row in injected
                ),
            ),
            "",
        ]
    for row in rows.all("release"):
        if "fallen" in row:
            lines += [
                f"All {row['fallen']} workers of {row['tasks']:,} tasks fail at once: {row['fallen_restarts']} "
                f"restarts told, {row['fallen_failures']} counted, {row['fallen_writes']} writes of a status of "
                f"at most {row['status_bytes']:,} bytes until all run again.",
                "",
            ]
    for row in rows.all("fails while it starts"):
        lines += [
            f"A job of {row['tasks']:,} tasks whose chief fails for good when 30 % of its pods exist ({row['made']} "
            f"were made): failure told after {row['recorded']:.1f} s, all pods gone after {row['gone']:.1f} s, "
            f"everything freed for good after {row['freed']:.1f} s; {row['left']} pods left, "
            f"{row['made_after_release']} made after that.",
            "",
        ]
    return lines


def _many(rows: _Rows) -> list[str]:
    ours, theirs = rows.one("many releases"), rows.one("many tfjobs")
    if not ours:
        return []
    lines = [
        f"## {ours['jobs']} jobs of {ours['tasks']} tasks at once",
        "",
        f"Each release has a lifecycle in a real container on the one real node. They are applied by eight clients in "
        f"{ours['applied']:.0f} s ({ours['objects']:,} objects).",
        "",
    ]
    keys = {
        "all pods run": "running",
        "all jobs told Running": "told",
        "names for all pods": "named",
        "last outcome told, from its chief's end": "recorded",
        "all pods gone, from the last chief's end": "gone",
        "writes by all clients until all run": "writes",
    }
    table = [[title, *(_figure(row.get(key)) if row else "" for row in (ours, theirs))] for title, key in keys.items()]
    table.append(
        ["CPU s of all lifecycles; of the operator", _figure(ours["cpu"]), _figure(theirs.get("operator_cpu"))]
    )
    table.append(["their memory in all, MiB", _figure(ours["peak"]), _figure(theirs.get("operator_peak"))])
    table.append(["memory of the largest lifecycle, MiB", _figure(ours["largest"]), ""])
    return [*lines, *_table(" | releases | TFJobs", table), ""]


def _real(rows: _Rows) -> list[str]:
    ours, theirs = rows.one("real release"), rows.one("real tfjob")
    if not ours or not theirs:
        return []
    titles = {"outcome told": "recorded", "parameter server gone": "ps", "all pods gone, and their GPUs free": "over"}

    def spread(figures: Sequence[float]) -> str:
        median, least, most = figures
        return f"{median:.1f} ({least:.1f} to {most:.1f})"

    table: list[list[Any]] = [["all pods of all jobs run", _figure(ours["running"]), _figure(theirs["running"]), ""]]
    for title, key in titles.items():
        table.append([title, spread(ours[key]), spread(theirs[key]), f"{theirs[key][0] / ours[key][0]:.1f}"])
    return [
        f"## {ours['jobs']} of each kind with real containers",
        "",
        "On the real node: a chief, two workers and a parameter server each, whose programs leave SIGTERM alone, as a "
        "TensorFlow server and most programs do. Median (least to most) from the end of the chief's program; the "
        "chiefs end one after the other. TFJob with its clean-up switched on.",
        "",
        *_table(" | release | TFJob | times faster / 5", table),
        "",
    ]


def _plots(rows: _Rows) -> None:
    def points(kind: str, key: str) -> Points:
        return [(row["tasks"], row[key]) for row in rows.all(kind) if row.get(key)]

    def save(name: str, title: str, unit: str, lines: dict[str, Points]) -> None:
        drawn = {title: some for title, some in lines.items() if some}
        (OUT / f"{name}.svg").write_text(chart(title, "tasks", unit, drawn))

    kinds = {"release": "release", "TFJob": "tfjob", "bare StatefulSet": "bare set"}
    start = {title: points(kind, "running") for title, kind in kinds.items()}
    start["TFJob, all with names"] = points("tfjob", "named")
    save("scale-start", "From the command until all pods run", "seconds", start)
    save(
        "scale-end",
        "From the end of the chief's program until all pods are gone",
        "seconds",
        {title: points(kind, "gone") for title, kind in kinds.items()},
    )
    memory = {"lifecycle": points("release", "peak"), "TFJob's operator": points("tfjob", "operator_resident")}
    save("scale-memory", "Memory of the controller", "MiB", memory)


# --- the entrypoint and the tool ----------------------------------------------------------------------------------


def _entrypoint(rows: _Rows) -> list[str]:
    table = []
    for row in rows.all("start"):
        added = f"{row['milliseconds']:.0f} ms ({row['least']:.0f} at the least; {row['cpu']:.0f} ms of CPU)"
        table.append([f"added before the program starts, job of {row['tasks']:,} tasks", added, "60 ms"])
        table.append(["peak memory until then", f"{row['peak']:.1f} MiB", "16 MiB"])
    titles = {"running": "memory while the program runs", "parked": "memory of a parked task"}
    for kind, title in titles.items():
        for row in rows.all(kind):
            goal = "12 MiB" if kind == "running" else ""
            table.append([title, f"{row['resident']:.1f} MiB, {row['private']:.1f} of them its own", goal])
    for row in rows.all("output"):
        rates = f"{row['with_entrypoint']:,.0f} and {row['without']:,.0f} MB/s"
        rates += f", ratio {row['ratio']:.3f} (standard error {row['error']:.3f})"
        table.append(["output of the program, with and without", rates, "0.99"])
    for row in rows.all("steps"):
        rates = f"{row['with_entrypoint']:.1f} and {row['without']:.1f} steps/s"
        rates += f", ratio {row['ratio']:.3f} (standard error {row['error']:.3f})"
        table.append(["digits example, with and without at the same time", rates, "0.99"])
    return [
        "## The entrypoint in each pod",
        "",
        "Beside the same program without it, in turns.",
        "",
        *_table(" | measured | goal", table),
        "",
    ]


def _tool(rows: _Rows) -> list[str]:
    table = (
        [f"`tfconfig {row['command']}`", f"{row['seconds']:.2f}", f"{row['peak']:.0f}", _int(row["printed"])]
        for row in rows.all("tool")
    )
    return ["## The tool, 5,000 tasks", "", *_table(" | seconds | peak MiB | bytes printed", table), ""]


# --- words --------------------------------------------------------------------------------------------------------


def _table(titles: str, rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table; `|` separates the titles."""
    lines = [f"| {titles} |", f"|{'---|' * (titles.count('|') + 1)}"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)]


def _wrapped(line: str) -> str:
    """Prose in lines of 120 characters; tables and headings as they are."""
    indent = "  " if line.startswith("- ") else ""
    return line if line.startswith(("|", "#", "!")) else fill(line, 120, subsequent_indent=indent)


def _seconds(row: Row, *keys: str) -> str:
    return f"{sum(row[key] for key in keys):.1f}" if all(key in row for key in keys) else ""


def _figure(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


_int: Callable[[int], str] = "{:,}".format
