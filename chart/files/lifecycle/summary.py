"""The last lines of the lifecycle's log: how the run ended, and what the deciding program printed last."""

from __future__ import annotations

from collections.abc import Mapping

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name
from ..task.names import CONTAINER, pod_name
from .hints import hint
from .kubernetes import ApiError, Client
from .last_lines import tail
from .pod_status import pod
from .state import Pod, State
from .text import duration, progress_text

LOG_LINES = 20  # shown ...
READ_LINES = 400  # ... of those that are looked at for the reason of a failure


def summary(job: JobSpec, state: State, log_tail: str) -> list[str]:
    """The outcome in a few lines. `log_tail`: what `read_log_tail` returned."""
    lines = ["", f"{state.phase} ({state.reason}): {state.message}"]
    if state.progress:
        lines.append(f"progress:    {progress_text(state.progress)}")
    if state.deciding_task:
        code = "" if state.exit_code is None else f", exit status {state.exit_code}"
        lines.append(f"decided by:  {name(state.deciding_task)}{code}")
    lines.append(f"took:        {duration((state.finished or state.started) - state.started)}")
    lines.append(f"failures:    {state.failures} of {job['restart']['backoffLimit']}; restarts: {state.restarts}")
    lines.append(f"checkpoints: {job['checkpointDir'] or 'none'}")
    if log_tail and state.deciding_task:
        lines.append(f"last lines of {name(state.deciding_task)}:")
        lines += [f"  {line}" for line in tail(log_tail, LOG_LINES)]
    advice = hint(log_tail.splitlines()) if state.exit_code else ""
    if advice:
        lines.append(f"hint: {advice}")
    return lines


def read_log_tail(client: Client, job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> str:
    """The last lines of the program whose exit decided the run, while its pod is there."""
    deciding = pods.get(state.deciding_task) if state.deciding_task else None
    container = _deciding_container(deciding, state.exit_code) if deciding else None
    if deciding is None or container is None:
        return ""
    deciding_pod = pod_name(job["name"], deciding.task)
    try:
        now = pod(job["name"], client.get("pods", deciding_pod), client.clock.now())
        restarted = now is not None and now.restarts > container
        text = client.log_tail(deciding_pod, CONTAINER, READ_LINES, previous=restarted)
        if not restarted and text.startswith(f"tensorflow-job: {name(deciding.task)} is done: "):
            # The kubelet has started it again, to park (task.py), and the API does not show it yet.
            text = client.log_tail(deciding_pod, CONTAINER, READ_LINES, previous=True)
        return text
    except ApiError as error:
        return f"(unavailable: {error})"


def _deciding_container(deciding: Pod, exit_code: int | None) -> int | None:
    """The number of the container that decided; None where its log is gone."""
    if exit_code is None:  # it hangs, or never started
        return deciding.restarts if deciding.status == "Running" else None
    if deciding.current and deciding.current.code == exit_code:
        return deciding.restarts
    if deciding.last and deciding.last.code == exit_code:
        return deciding.restarts - 1
    return None
