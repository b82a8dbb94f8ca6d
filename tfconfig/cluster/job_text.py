"""Views of jobs as text for people. Pure: a view, the time and a width in; lines out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfconfig import terminal
from tfconfig.cluster import exit_codes
from tfconfig.cluster.job_view import JobView, TaskView
from tfconfig.tensorflow_job.lifecycle import observe

ALIKE = 3  # more tasks of a role that say the same share a line
ONE_BY_ONE = 20  # tasks of a role told one by one
STALE_SECONDS = 120.0  # progress older than this is told with its age


def job(view: JobView, now: float, columns: int) -> list[str]:
    """The header of a job and its table of tasks."""
    lines = terminal.labelled(_header(view, now), columns)
    if not view.over or any(task.node for task in view.tasks):
        rows = [row for role in _roles(view) for row in _role(role, [task for task in view.tasks if task.role == role])]
        lines += ["", *terminal.table(("TASK", "STATE", "NODE", "RESTARTS", "WHY, OR LAST EXIT"), rows, columns)]
    return lines


def jobs(views: Sequence[JobView], now: float, columns: int, namespaces: bool) -> list[str]:
    """One line for each job."""
    head = ["NAME", "PHASE", "TASKS", "PROGRESS", "AGE", "MESSAGE"]
    rows = [
        [view.name, view.phase, _tasks(view), _percent(view.progress), _age(view, now), _short(view)] for view in views
    ]
    if namespaces:
        head.insert(0, "NAMESPACE")
        rows = [[view.namespace, *row] for view, row in zip(views, rows, strict=True)]
    if not any(_percent(view.progress) for view in views):
        at = head.index("PROGRESS")
        head, rows = head[:at] + head[at + 1 :], [row[:at] + row[at + 1 :] for row in rows]
    return terminal.table(head, rows, columns)


def line(view: JobView) -> str:
    """What changed, on one line: for output that is no terminal."""
    head = view.phase + (f" ({view.reason})" if view.reason else "")
    words = [view.message, f"lifecycle: {view.lifecycle}" if view.lifecycle else ""]
    return f"{view.name}: {': '.join(filter(None, (head, terminal.visible('; '.join(filter(None, words))))))}"


def decided(view: JobView) -> str:
    """The deciding task and its exit, with what that means; empty while nothing is decided."""
    if not view.decider:
        return ""
    if view.exit_code is None:
        return view.decider
    task = next((one for one in view.tasks if one.name == view.decider), None)
    if task and task.last and task.last.code == view.exit_code:
        return f"{view.decider}, {exit_codes.told(task.last)}"
    # The pod is gone; the message has Kubernetes' reason.
    reason = "OOMKilled" if f"{view.decider} exited {view.exit_code} (OOMKilled)" in view.message else ""
    words = f" ({reason})" if reason else ""
    return f"{view.decider}, exit {view.exit_code}{words}: {exit_codes.meaning(view.exit_code, reason)}"


def progress(told: Mapping[str, Any], now: float, active: bool = True) -> str:
    """`step 1200 of 5000 (24 %), loss 0.3121, 41.2 steps/s, 1 min 32 s left`; empty without a step."""
    step, total, loss, rate = (told.get(key) for key in ("step", "total", "loss", "rate"))
    if step is None:
        return ""
    parts = [f"step {step}" + (f" of {total} ({_percent(told)})" if total else "")]
    if loss is not None:
        parts.append(f"loss {loss:.4g}")
    age = now - (observe.seconds(told.get("time")) or now)
    if active and rate:
        parts.append(f"{rate:.3g} steps/s")
        if total and total > step and age < STALE_SECONDS:
            parts.append(f"{terminal.duration((total - step) / rate - age)} left")
    if active and age >= STALE_SECONDS:
        parts.append(f"told {terminal.duration(age)} ago")
    return ", ".join(parts)


def _header(view: JobView, now: float) -> list[tuple[str, str]]:
    limit = "" if view.backoff_limit is None else f" of {view.backoff_limit} allowed"
    restarts = f"{view.restarts} restart{'s' * (view.restarts != 1)}"
    where = f"{view.name} in namespace {view.namespace}"
    return [
        ("job", where + (f", release {view.release}" if view.release != view.name else "")),
        ("phase", view.phase + (f" ({view.reason})" if view.reason else "")),
        ("message", view.message),
        ("lifecycle", view.lifecycle),
        ("run", view.run_id + _time(view, now)),
        ("progress", progress(view.progress, now, not view.over)),
        ("failures", f"{view.failures}{limit}, {restarts}" if view.started else ""),
        ("decided by", decided(view)),
        ("pods", _left(view)),
    ]


def _time(view: JobView, now: float) -> str:
    if view.started is None:
        return ""
    if view.ended is None:
        return f", for {terminal.duration(now - view.started)}"
    took = terminal.duration(view.ended - view.started)
    return f", took {took}, ended {terminal.duration(now - view.ended)} ago"


def _left(view: JobView) -> str:
    if not view.over:
        return ""
    left = sum(bool(task.node) for task in view.tasks)
    return f"{left} still there" if left else "none left, everything is freed"


def _roles(view: JobView) -> list[str]:
    return list(dict.fromkeys(task.role for task in view.tasks))


def _role(role: str, tasks: Sequence[TaskView]) -> list[tuple[str, ...]]:
    """Rows of a role: tasks that say the same together, the others one by one, the most unusual ones first if many."""
    groups: dict[tuple[str, str], list[TaskView]] = {}
    for task in tasks:
        groups.setdefault((task.state, _detail(task)), []).append(task)
    together = {key: some for key, some in groups.items() if len(some) > ALIKE}
    alone = [task for key, some in groups.items() if key not in together for task in some]
    rows: list[tuple[str, ...]] = [
        (f"{role} ({len(some)})", state, _nodes(some), str(sum(task.restarts for task in some)), detail)
        for (state, detail), some in together.items()
    ]
    alone.sort(key=lambda task: (task.usual, task.index))
    shown = sorted(alone[:ONE_BY_ONE], key=lambda task: task.index)
    for task in shown:
        detail = ". It said: ".join(filter(None, (_detail(task), task.said)))
        rows.append((task.name, task.state, task.node, str(task.restarts), detail))
    if len(alone) > len(shown):
        rest = alone[ONE_BY_ONE:]
        rows.append((f"{role} ({len(rest)})", "and more", _nodes(rest), str(sum(task.restarts for task in rest)), ""))
    return rows


def _detail(task: TaskView) -> str:
    last = f"last {exit_codes.told(task.last)}" if task.last else ""
    return "; ".join(filter(None, (task.why, last)))


def _nodes(tasks: Sequence[TaskView]) -> str:
    names = {task.node for task in tasks if task.node}
    return names.pop() if len(names) == 1 else f"{len(names)} nodes" if names else ""


def _tasks(view: JobView) -> str:
    """Tasks that run or are done, of all."""
    total = sum(counts.get("replicas", 0) for counts in view.counts.values())
    well = sum(counts.get("running", 0) + counts.get("succeeded", 0) for counts in view.counts.values())
    return str(total or "") if view.over or not total else f"{well}/{total}"


def _percent(told: Mapping[str, Any]) -> str:
    step, total = told.get("step"), told.get("total")
    if step is None:
        return ""
    return f"{100 * step / total:.0f} %" if total else f"step {step}"


def _age(view: JobView, now: float) -> str:
    return terminal.duration((view.ended or now) - view.started) if view.started else ""


def _short(view: JobView) -> str:
    return view.lifecycle or view.message or view.reason
