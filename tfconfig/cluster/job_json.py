"""`tfconfig status -o json`. Its schema: docs/schemas/status.schema.json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfconfig.cluster import exit_codes
from tfconfig.cluster.job_view import JobView, TaskView
from tfconfig.tensorflow_job.lifecycle import usage
from tfconfig.tensorflow_job.lifecycle.state import Exit
from tfconfig.tensorflow_job.lifecycle.timestamps import format_time

VERSION = 1  # another one when a field changes its meaning or is removed


def job_list_document(jobs: Iterable[JobView]) -> dict[str, Any]:
    """Several jobs, without what only pods and Jobs tell: a list of jobs does not read them."""
    return {"version": VERSION, "jobs": [_job(job) for job in jobs]}


def job_document(job: JobView) -> dict[str, Any]:
    """One job."""
    tasks = [_task(task) for task in job.tasks]
    return {"version": VERSION, **_job(job), "lifecycleMessage": job.lifecycle_message, "tasks": tasks}


def _job(job: JobView) -> dict[str, Any]:
    return {
        "name": job.name,
        "release": job.release,
        "namespace": job.namespace,
        "runId": job.run_id,
        "phase": job.phase,
        "reason": job.reason,
        "message": job.message,
        "startTime": _time(job.started),
        "completionTime": _time(job.ended),
        "decidingTask": job.deciding_task,
        "exitCode": job.exit_code,
        "lastLine": job.last_line,
        "hint": job.hint,
        "failures": job.failures,
        "backoffLimit": job.backoff_limit,
        "restarts": job.restarts,
        "freed": job.freed,
        "progress": job.progress and dict(job.progress),
        "slow": list(job.slow),
        "roles": {role: dict(counts) for role, counts in job.counts.items()},
        "history": [{key: run[key] for key in run if key != "record"} for run in job.history],
    }


def _task(task: TaskView) -> dict[str, Any]:
    return {
        "task": task.name,
        "state": task.state,
        "message": task.message,
        "node": task.node,
        "restarts": task.restarts,
        "lastExit": task.last_exit and _exit(task.last_exit),
        "lastLine": task.last_line,
        "hint": task.hint,
        "usage": task.usage and usage.dump(task.usage),
    }


def _exit(last: Exit) -> dict[str, Any]:
    """As `terminated` in the status of a Kubernetes container, and what it means."""
    return {
        "exitCode": last.code,
        "reason": last.reason,
        "message": last.message,
        "finishedAt": _time(last.finished),
        "meaning": exit_codes.meaning(last.code, last.reason, last.message),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(seconds)
