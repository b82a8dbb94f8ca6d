"""Jobs as text for people. Pure: a view, the time and a width in; lines out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from tfconfig import terminal
from tfconfig.cluster.exit_codes import describe
from tfconfig.cluster.job_view import JobView, TaskView
from tfconfig.tensorflow_job.lifecycle.state import SUSPENDED, Exit
from tfconfig.tensorflow_job.lifecycle.status import load_progress
from tfconfig.tensorflow_job.lifecycle.text import duration, plural, progress_text
from tfconfig.tensorflow_job.lifecycle.usage import cpu_text, gpu_text, memory_text, usage_lines
from tfconfig.tensorflow_job.task.progress import EPOCHS

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import StatusProgress

MAX_SINGLE_LINES = 3  # tasks of a role with the same state and message get a line each up to here, then one together
MAX_TASK_LINES = 20  # lines for single tasks of a role
STALE_SECONDS = 120.0  # progress older than this is shown with its age


def job(view: JobView, now: float, columns: int, shorten: bool = True, wide: bool = False) -> list[str]:
    """The header of a job and the table of its tasks; with whole names unless `shorten`, their usage if `wide`."""
    lines = terminal.labelled(_header(view, now), columns)
    if not view.over or any(task.node for task in view.tasks):
        roles = dict.fromkeys(task.role for task in view.tasks)
        rows = [row for role in roles for row in _role(role, [task for task in view.tasks if task.role == role])]
        lines += ["", *terminal.table(("TASK", "STATE", "NODE", "RESTARTS", "MESSAGE"), rows, columns, shorten)]
    used = _usage(view.tasks) if wide else []
    return [*lines, "", *terminal.table(("TASK", "CPUS", "MEMORY", "GPUS"), used, columns, shorten)] if used else lines


def _usage(tasks: Sequence[TaskView]) -> list[tuple[str, ...]]:
    """What is known of what the tasks used."""
    return [
        (task.name, cpu_text(task.usage), memory_text(task.usage), gpu_text(task.usage)) for task in tasks if task.usage
    ]


def jobs(views: Sequence[JobView], now: float, columns: int, namespaces: bool, wide: bool = False) -> list[str]:
    """A line for each job; the column PROGRESS only if there is any, NAMESPACE with `namespaces`; more if `wide`."""
    head = ["NAME", "PHASE", "TASKS", "PROGRESS", "AGE", "DURATION", "MESSAGE"]
    rows = [
        [view.name, view.phase, _tasks(view), _percent(view.progress), *_times(view, now), _short(view)]
        for view in views
    ]
    if wide:
        head[-1:-1] = ["RELEASE", "RUN", "RESTARTS"]
        rows = [
            [*row[:-1], view.release, view.run_id, str(view.restarts), row[-1]]
            for view, row in zip(views, rows, strict=True)
        ]
    if namespaces:
        head.insert(0, "NAMESPACE")
        rows = [[view.namespace, *row] for view, row in zip(views, rows, strict=True)]
    if not any(_percent(view.progress) for view in views):
        at = head.index("PROGRESS")
        head, rows = head[:at] + head[at + 1 :], [row[:at] + row[at + 1 :] for row in rows]
    return terminal.table(head, rows, columns, one_line=True)


def line(view: JobView) -> str:
    """The job on one line."""
    phase = view.phase + (f" ({view.reason})" if view.reason else "")
    messages = [view.message, f"lifecycle: {view.lifecycle_message}" if view.lifecycle_message else ""]
    return terminal.visible(f"{view.name}: {': '.join(filter(None, (phase, '; '.join(filter(None, messages)))))}")


def outcome(view: JobView) -> str:
    """How the run ended, on one line."""
    took = f" after {duration(view.ended - view.started)}" if view.started and view.ended else ""
    return terminal.visible(f"{view.name}: {view.phase}{took} ({view.reason}): {message(view)}")


def message(view: JobView) -> str:
    """What happened; the line that the deciding task printed last is shown apart."""
    return view.message.removesuffix(f": {view.last_line}") if view.last_line else view.message


def deciding_exit(view: JobView) -> str:
    """The deciding task, its exit status and what that means; empty before the run has ended."""
    if not view.deciding_task:
        return ""
    if view.exit_code is None:
        return view.deciding_task
    task = next((task for task in view.tasks if task.name == view.deciding_task), None)
    if task and task.last_exit and task.last_exit.code == view.exit_code:
        text = describe(task.last_exit)
    else:  # the pod is gone; the message has Kubernetes' reason
        out_of_memory = f"{view.deciding_task} exited {view.exit_code} (OOMKilled)" in view.message
        text = describe(Exit(view.exit_code, "OOMKilled" if out_of_memory else ""))
    return f"{view.deciding_task}, {text}"


def last_lines(log: str) -> tuple[str, list[str]]:
    """The deciding task and the last lines of its program, from the end of the lifecycle's log; ("", []) without."""
    _, marker, rest = log.rpartition("\nlast lines of ")
    if not marker:
        return "", []
    first, *lines = rest.removesuffix("\n").split("\n")
    lines = list(takewhile(lambda line: line.startswith("  "), lines))
    return terminal.visible(first.removesuffix(":")), [terminal.escaped_line(line.removeprefix("  ")) for line in lines]


def kept_logs(view: JobView) -> str:
    """Where the complete logs are kept (logs.persist); empty where they are not."""
    spec = view.job_spec
    if not spec or not spec["logs"]:
        return ""
    folder = f"{spec['checkpointDir']}/logs/{view.run_id}"
    return terminal.visible(
        f"complete logs: {folder}/TASK.log on claim {spec['checkpointClaim']}, for any pod that mounts it"
    )


def progress(reported: StatusProgress | None, now: float, active: bool = True) -> str:
    """`step 1200 of 5000 (24 %), loss 0.3121, 41.2 steps/s, 1 min 32 s left`; the speed only while it is known."""
    if not reported:
        return ""
    known = load_progress(reported)
    age = now - known.time
    stale = active and age >= STALE_SECONDS
    rate = known.rate if active and not stale else None
    text = progress_text(replace(known, rate=rate or None))
    return f"{text}, reported {duration(age)} ago" if stale else text


def _reports(view: JobView) -> bool:
    """Whether the task runs that reported the progress: else there is no speed, and no time left."""
    task = view.progress and view.progress["task"]
    return (
        not view.over and view.phase != SUSPENDED and any(t.name == task and t.state == "Running" for t in view.tasks)
    )


def _header(view: JobView, now: float) -> list[tuple[str, str]]:
    limit = "" if view.backoff_limit is None else f" ({view.backoff_limit} allowed)"
    restarts = plural(view.restarts, "restart")
    name = f"{view.name} in namespace {view.namespace}"
    return [
        ("job", name + (f", release {view.release}" if view.release != view.name else "")),
        ("phase", view.phase + (f" ({view.reason})" if view.reason else "")),
        ("message", message(view)),
        ("last line", view.last_line),
        ("hint", view.hint),
        ("queue", view.queue_message),
        ("lifecycle", view.lifecycle_message),
        ("run", view.run_id + _time(view, now)),
        ("progress", progress(view.progress, now, _reports(view))),
        *(("usage", line) for line in usage_lines(view.used)),
        ("slow", f"{', '.join(view.slow)}: less than half the steps of the other tasks" if view.slow else ""),
        ("failures", f"{view.failures}{limit}, {restarts}" if view.started else ""),
        ("decided by", deciding_exit(view)),
        ("pods", _pods_left(view)),
    ]


def _time(view: JobView, now: float) -> str:
    if view.started is None:
        return ""
    if view.ended is None:
        return f", for {duration(now - view.started)}"
    took = duration(view.ended - view.started)
    return f", took {took}, ended {duration(now - view.ended)} ago"


def _pods_left(view: JobView) -> str:
    if not view.over:
        return ""
    left = sum(bool(task.node) for task in view.tasks)
    return f"{left} left" if left else "none left, everything is freed"


def _role(role: str, tasks: Sequence[TaskView]) -> list[tuple[str, ...]]:
    """Rows of a role: tasks with the same state and message together, the others one by one in the order of their
    indexes; of too many, those with something to report."""
    groups: dict[tuple[str, str, str], list[TaskView]] = {}
    for task in tasks:
        groups.setdefault((task.state, _detail(task), task.hint), []).append(task)
    grouped = {key: group for key, group in groups.items() if len(group) > MAX_SINGLE_LINES}
    rows = [_group_row(role, group, key[0], _with_hint(*key[1:])) for key, group in grouped.items()]
    single = [task for key, group in groups.items() if key not in grouped for task in group]
    single.sort(key=lambda task: (task.usual, task.index))
    shown, rest = single[:MAX_TASK_LINES], single[MAX_TASK_LINES:]
    for task in sorted(shown, key=lambda task: task.index):
        detail = ". Last line: ".join(filter(None, (_detail(task), task.last_line)))
        rows.append((task.name, task.state, task.node, str(task.restarts), _with_hint(detail, task.hint)))
    if rest:
        rows.append(_group_row(role, rest, "and more", ""))
    return rows


def _group_row(role: str, tasks: Sequence[TaskView], state: str, detail: str) -> tuple[str, ...]:
    return f"{role} ({len(tasks)})", state, _nodes(tasks), str(sum(task.restarts for task in tasks)), detail


def _detail(task: TaskView) -> str:
    return "; ".join(filter(None, (task.message, describe(task.last_exit) if task.last_exit else "")))


def _with_hint(detail: str, hint: str) -> str:
    return ". Hint: ".join(filter(None, (detail, hint)))


def _nodes(tasks: Sequence[TaskView]) -> str:
    names = {task.node for task in tasks if task.node}
    return names.pop() if len(names) == 1 else f"{len(names)} nodes" if names else ""


def _tasks(view: JobView) -> str:
    """Tasks that run or are done, of all."""
    total = sum(counts.get("replicas", 0) for counts in view.counts.values())
    ready = sum(counts.get("running", 0) + counts.get("succeeded", 0) for counts in view.counts.values())
    return str(total or "") if view.over or not total else f"{ready}/{total}"


def _percent(reported: StatusProgress | None) -> str:
    if not reported:
        return ""
    step, total = reported["step"], reported["total"]
    unit = "epoch" if reported.get("source") == EPOCHS else "step"
    return f"{100 * min(step, total) // total} %" if total else f"{unit} {step}"


def _times(view: JobView, now: float) -> tuple[str, str]:
    """Since when the job is there, and how long its run took or has taken."""
    since = view.created or view.started
    took = duration((view.ended or now) - view.started) if view.started and view.phase != SUSPENDED else ""
    return duration(now - since) if since else "", took


def _short(view: JobView) -> str:
    if view.last_line:
        return f"{view.deciding_task}: {view.last_line}"
    return view.lifecycle_message or view.message or view.reason
