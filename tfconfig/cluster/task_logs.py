"""The logs of a job's tasks as they are now; following them: log_follow.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tfconfig.cluster.errors import ClusterError, ForbiddenError
from tfconfig.cluster.kubectl import Kubectl, Object
from tfconfig.cluster.log_lines import LinePrinter, is_refusal, merged_with_times
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.names import CONTAINER

PARALLEL_REQUESTS = 8


def select_tasks(tasks: Sequence[Task], names: Iterable[str]) -> list[Task]:
    """The tasks with these names (worker-3) or roles (ps); all tasks without a name. Raises ValueError for others."""
    wanted = set(names)
    known = {job_spec.name(task) for task in tasks} | {task.role for task in tasks}
    unknown = sorted(wanted - known)
    if unknown:
        counts = [(role, sum(task.role == role for task in tasks)) for role in job_spec.ROLES]
        ranges = [f"{role}-0" + (f" to {role}-{count - 1}" if count > 1 else "") for role, count in counts if count]
        raise ValueError(f"{unknown[0]}: no such task; this job has {', '.join(ranges)}")
    return [task for task in tasks if not wanted or task.role in wanted or job_spec.name(task) in wanted]


def log_query(since: float | None, tail: int | None) -> dict[str, str]:
    """The query of a log request; `since` in seconds, `tail` in lines."""
    query = {"container": CONTAINER, "timestamps": "true"}
    if since is not None:
        query["sinceSeconds"] = str(max(int(since), 1))
    if tail is not None:
        query["tailLines"] = str(tail)
    return query


def print_logs(
    kubectl: Kubectl,
    pods: Mapping[Task, Object],
    query: Mapping[str, str],
    printer: LinePrinter,
    report: Callable[[str], None],
) -> None:
    """Print the logs of these pods in the order of their times; `report` gets the tasks whose log cannot be read.

    Raises ForbiddenError where the user has no permission to read logs.
    """

    def read(task: Task) -> str:
        try:
            log = kubectl.text(kubectl.path("pods", pods[task]["metadata"]["name"], "log"), **query)
            if is_refusal(log):
                report(f"{job_spec.name(task)}: its log is gone: {log.strip()}")
                return ""
            return log
        except ForbiddenError:
            raise
        except ClusterError as error:
            report(f"{job_spec.name(task)}: {error.message}")
            return ""

    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        logs = dict(zip(map(job_spec.name, pods), pool.map(read, pods), strict=True))
    for when, name, line in merged_with_times(logs):
        printer.line(name, line, when)
        if printer.broken:
            return
