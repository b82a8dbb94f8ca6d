"""The section of the report about jobs on a cluster, and its plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .markdown import figure, number, seconds, table
from .plot import Points, chart
from .rows import Rows, share, sizes

MAX_TF_CONFIG = 131_061
OBJECT_BYTES = ("bytes", "job_bytes", "code_bytes", "lifecycle_bytes", "release_secret")


def section(rows: Rows) -> list[str]:
    """Start, end and cost of releases, bare StatefulSets and TFJobs."""
    return [
        "## Start",
        "",
        "From the command to pods that run, on fake nodes that start a container at once: what is left is the cost of "
        "the control plane and of the controllers. The controller manager creates 20 pods a second, whoever asks for "
        "them, after a burst of 30. A bare StatefulSet of the same size and pods is the measure. *Lifecycle starts*: "
        "until the sets have been given their sizes, `helm install` included. *Rate*: pods a second after the first "
        "30, as a share of the bare set's; the extra time that three sets need at their start is in the seconds. "
        "*Names*: until every pod has a name in DNS (TFJob creates a Service for each). Writes: by all clients.",
        "",
        *table(
            "tasks | bare set: all run | release: lifecycle starts / 3 | all run | rate / 0.95 | reported Running | "
            "writes | TFJob: all run | names | reported Running | writes",
            (_start_row(rows, tasks) for tasks in sizes(rows)),
        ),
        "",
        "![Seconds until all pods run](scale-start.svg)",
        "",
        "## End",
        "",
        "From the end of the chief's program. Fake nodes remove a pod at once; containers, which take their time, "
        "are below. *Scaled*: all sets scaled to 0. TFJob with `cleanPodPolicy: Running`; by default it keeps them.",
        "",
        *table(
            "tasks | release: outcome recorded / 2 | scaled | all gone | Job complete | bare set scaled to 0: all gone "
            "| TFJob: outcome recorded | all gone",
            (_end_row(rows, tasks) for tasks in sizes(rows)),
        ),
        "",
        "![Seconds until all pods are gone](scale-end.svg)",
        "",
        "## What it takes",
        "",
        "The lifecycle of one release (a Python program in a pod of its own, removed with the job), and TFJob's "
        "operator (one for the whole cluster, permanent).",
        "",
        *table(
            "tasks | lifecycle: peak MiB / 64 | CPU s until all run / 30 | CPU s in all | idle, millicores / 5 | "
            "status.json, most bytes | its writes | operator: MiB after the job | CPU s until all run | "
            "TF_CONFIG in each pod, bytes",
            (_cost_row(rows, tasks) for tasks in sizes(rows)),
        ),
        "",
        "![Memory of the controller](scale-memory.svg)",
        "",
        f"TF_CONFIG must fit in {MAX_TF_CONFIG:,} bytes. A release computes it in the pod; its Helm objects are:",
        "",
        *table(
            "tasks | objects | bytes of all | job.json / 32,768 | code in each pod | the lifecycle's code | "
            "Helm's own Secret",
            (
                [
                    number(row["tasks"]),
                    row["objects"],
                    *(number(row[kind]) for kind in OBJECT_BYTES),
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


def _start_row(rows: Rows, tasks: int) -> list[Any]:
    bare, ours, theirs = (rows.row(kind, tasks) for kind in ("bare set", "release", "tfjob"))
    return [
        number(tasks),
        seconds(bare, "running"),
        seconds(ours, "scaled"),
        seconds(ours, "running"),
        f"{share(bare, ours):.2f}" if bare and tasks >= 100 else "",
        seconds(ours, "reported", "running"),
        number(ours["writes"]),
        seconds(theirs, "running"),
        seconds(theirs, "named"),
        seconds(theirs, "reported"),
        number(theirs["writes"]) if theirs else "",
    ]


def _end_row(rows: Rows, tasks: int) -> list[Any]:
    bare, ours, theirs = (rows.row(kind, tasks) for kind in ("bare set", "release", "tfjob"))
    return [
        number(tasks),
        *(seconds(ours, key) for key in ("recorded", "all_scaled", "gone", "complete")),
        seconds(bare, "gone"),
        seconds(theirs, "recorded"),
        seconds(theirs, "gone"),
    ]


def _cost_row(rows: Rows, tasks: int) -> list[Any]:
    ours, theirs = rows.row("release", tasks), rows.row("tfjob", tasks)
    return [
        number(tasks),
        f"{ours['peak']:.1f}",
        seconds(ours, "start_cpu"),
        seconds(ours, "cpu"),
        f"{ours['idle_millicores']:.1f}",
        number(ours["status_bytes"]),
        number(ours["status_writes"]),
        f"{theirs['operator_resident']:.0f}" if theirs else "",
        seconds(theirs, "operator_cpu"),
        number(theirs["tf_config"]) if theirs else "",
    ]


def _requests(rows: Rows) -> list[str]:
    all_sizes = sizes(rows)
    kinds: dict[str, None] = {}
    for row in rows.all("release"):
        kinds |= dict.fromkeys(row["requests"])
    lines = [
        "The requests of the lifecycle, by verb and kind, from the start of the job to its end"
        f"{', failures included' if max(all_sizes) >= 1000 else ''}. A watch is counted when it ends.",
        "",
    ]
    cells = [[kind, *(rows.row("release", tasks)["requests"].get(kind, 0) for tasks in all_sizes)] for kind in kinds]
    return [*lines, *table(" | ".join(["request", *(f"{tasks:,} tasks" for tasks in all_sizes)]), cells), ""]


def _failures(rows: Rows) -> list[str]:
    lines = []
    injected = [row for row in rows.all("release") if "injected" in row]
    if injected:
        lines += [
            "## Failures",
            "",
            "One program in a hundred fails within a minute. Each must be counted once as a restart; "
            "failures close together are one wave, which counts once for `backoffLimit`.",
            "",
            *table(
                "tasks | programs that failed | restarts recorded | waves counted | writes of the status",
                (
                    [
                        number(row["tasks"]),
                        *(row[key] for key in ("injected", "restarts", "failures", "failing_writes")),
                    ]
                    for row in injected
                ),
            ),
            "",
        ]
    for row in rows.all("release"):
        if "fallen" in row:
            lines += [
                f"All {row['fallen']} workers of {row['tasks']:,} tasks fail at once: {row['fallen_restarts']} "
                f"restarts recorded, {row['fallen_failures']} counted, {row['fallen_writes']} writes of a status of "
                f"at most {row['status_bytes']:,} bytes until all run again.",
                "",
            ]
    for row in rows.all("fails while it starts"):
        lines += [
            f"A job of {row['tasks']:,} tasks whose chief fails for good when 30 % of its pods exist ({row['made']} "
            f"were made): failure recorded after {row['recorded']:.1f} s, all pods gone after {row['gone']:.1f} s, "
            f"everything freed for good after {row['freed']:.1f} s; {row['left']} pods left, "
            f"{row['made_after_release']} made after that.",
            "",
        ]
    return lines


def _many(rows: Rows) -> list[str]:
    ours, theirs = rows.row("many releases"), rows.row("many tfjobs")
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
        "all jobs reported Running": "reported",
        "names for all pods": "named",
        "last outcome recorded, from its chief's end": "recorded",
        "all pods gone, from the last chief's end": "gone",
        "writes by all clients until all run": "writes",
    }
    cells = [[title, *(figure(row.get(key)) if row else "" for row in (ours, theirs))] for title, key in keys.items()]
    cells.append(["CPU s of all lifecycles; of the operator", figure(ours["cpu"]), figure(theirs.get("operator_cpu"))])
    cells.append(["their memory in all, MiB", figure(ours["peak"]), figure(theirs.get("operator_peak"))])
    cells.append(["memory of the largest lifecycle, MiB", figure(ours["largest"]), ""])
    return [*lines, *table(" | releases | TFJobs", cells), ""]


def _real(rows: Rows) -> list[str]:
    ours, theirs = rows.row("real release"), rows.row("real tfjob")
    if not ours or not theirs:
        return []
    titles = {
        "outcome recorded": "recorded",
        "parameter server gone": "ps",
        "all pods gone, and their GPUs free": "over",
    }

    def spread(figures: Sequence[float]) -> str:
        median, least, most = figures
        return f"{median:.1f} ({least:.1f} to {most:.1f})"

    cells: list[list[Any]] = [["all pods of all jobs run", figure(ours["running"]), figure(theirs["running"]), ""]]
    for title, key in titles.items():
        cells.append([title, spread(ours[key]), spread(theirs[key]), f"{theirs[key][0] / ours[key][0]:.1f}"])
    return [
        f"## {ours['jobs']} of each kind with real containers",
        "",
        "On the real node: a chief, two workers and a parameter server each, whose programs do not handle SIGTERM, as "
        "TensorFlow servers and most programs do not. Median (least to most) from the end of the chief's program; the "
        "chiefs end one after the other. TFJob with its clean-up enabled.",
        "",
        *table(" | release | TFJob | times faster / 5", cells),
        "",
    ]


def plots(rows: Rows, folder: Path) -> None:
    """Write the plots that the section shows."""

    def points(kind: str, key: str) -> Points:
        return [(row["tasks"], row[key]) for row in rows.all(kind) if row.get(key)]

    def save(name: str, title: str, unit: str, lines: dict[str, Points]) -> None:
        drawn = {title: some for title, some in lines.items() if some}
        (folder / f"{name}.svg").write_text(chart(title, "tasks", unit, drawn))

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
