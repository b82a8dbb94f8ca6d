"""How the run ended, and what the deciding program printed last: in the lifecycle's log as soon as it is decided."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from ..task.contracts import JobSpec
from ..task.job_spec import Task, allowed_failures, name
from ..task.log import OWN
from ..task.names import CONTAINER, pod_name
from .freeing import freed_roles, keeps
from .kubernetes import ApiError, Client
from .last_lines import tail
from .log import Log
from .pod_status import pod
from .state import SUCCEEDED, Pod, State
from .text import duration, names, one_line, progress_text
from .timestamps import format_time
from .usage import usage_lines

LOG_LINES = 20  # shown ...
MAX_FREED = 8  # tasks
READ_LINES = 400  # ... of those that are looked at for the reason of a failure


def summary(job: JobSpec, state: State, log_tail: str, freed: Mapping[Task, str]) -> list[str]:
    """The outcome in a few lines. `log_tail`: what `read_log_tail` returned; `freed`: `read_freed_tails`."""
    lines = ["", f"{state.phase} ({state.reason}): {state.message}"]
    if state.progress:
        lines.append(f"progress:    {progress_text(replace(state.progress, rate=None))}")
    if state.deciding_task:
        code = "" if state.exit_code is None else f", exit status {state.exit_code}"
        lines.append(f"decided by:  {name(state.deciding_task)}{code}")
    ended = state.finished or state.started
    lines.append(f"took:        {duration(ended - state.started)}, until {format_time(ended)}")
    lines.append(f"failures:    {state.failures} ({allowed_failures(job)} allowed); restarts: {state.restarts}")
    lines += [f"usage:       {line}" for line in usage_lines(state.usage)]
    if state.slow:
        lines.append(f"slow:        {names(state.slow)} made less than half the steps of the other tasks for minutes")
    lines.append(f"checkpoints: {job['checkpointDir'] or 'none'}")
    if state.last_line:
        lines.append(f"last line:   {one_line(state.last_line)}")
    if state.hint:
        lines.append(f"hint:        {state.hint}")
    for task, text in freed.items():
        lines.append(f"last lines of {name(task)}, whose GPUs are freed:")
        lines += [f"  {line}" for line in tail(text, LOG_LINES)]
    if log_tail and state.deciding_task:
        lines.append(f"last lines of {name(state.deciding_task)}:")
        lines += [f"  {line}" for line in tail(log_tail, LOG_LINES)]
    return lines


def read_freed_tails(client: Client, log: Log, job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> dict[Task, str]:
    """The last lines of other pods that the user wanted to keep, and that go because they hold GPUs; of a few."""
    success = state.phase == SUCCEEDED
    if not keeps(job, success):
        return {}
    roles = freed_roles(job, success, job["replicas"])
    tails = {}
    for task in sorted(task for task in pods if task.role in roles and task != state.deciding_task)[:MAX_FREED]:
        try:
            text = _read(client, job, task, previous=False)
        except ApiError as error:
            log.write(f"the last lines of {name(task)} cannot be read: {error}")
            continue
        if text.strip():
            tails[task] = text
    return tails


def read_log_tail(client: Client, log: Log, job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> str:
    """The last lines of the program whose exit decided the run, while its pod is there; "" where there are none."""
    deciding = pods.get(state.deciding_task) if state.deciding_task else None
    container = _deciding_container(deciding, state.exit_code) if deciding else None
    if deciding is None or container is None:
        return ""
    try:
        restarted = _restarts(client, job, deciding.task) > container
        text = _read(client, job, deciding.task, previous=restarted)
        # The kubelet may start it again meanwhile; then this is what the next container prints first, or nothing yet.
        if not restarted and (not text or _restarts(client, job, deciding.task) > container):
            with contextlib.suppress(ApiError):
                text = _read(client, job, deciding.task, previous=True)
    except ApiError as error:
        log.write(f"the last lines of {name(deciding.task)} cannot be read: {error}")
        return ""
    return text


def _restarts(client: Client, job: JobSpec, task: Task) -> int:
    now = pod(job["name"], client.get("pods", pod_name(job["name"], task)), client.clock.now())
    return now.restarts if now else 0


def _read(client: Client, job: JobSpec, task: Task, previous: bool) -> str:
    text = client.log_tail(pod_name(job["name"], task), CONTAINER, READ_LINES, previous)
    if not previous and text.startswith(f"{OWN}{name(task)} is done: "):
        # The kubelet has started it again, to park (task.py), and the API may not show it yet.
        text = client.log_tail(pod_name(job["name"], task), CONTAINER, READ_LINES, previous=True)
    return text


def _deciding_container(deciding: Pod, exit_code: int | None) -> int | None:
    """The number of the container that decided; None where its log is gone."""
    if exit_code is None:  # it hangs, or never started
        return deciding.restarts if deciding.status == "Running" else None
    if deciding.current and deciding.current.code == exit_code:
        return deciding.restarts
    if deciding.last and deciding.last.code == exit_code:
        return deciding.restarts - 1
    return None
