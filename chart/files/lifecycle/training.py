"""Which tasks of a job matter for what: who decides, who reports progress, who runs, who trains. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..task.contracts import JobSpec, StatusRole
from ..task.job_spec import Task, runs_server, tasks
from .state import Pod, State


def deciding_tasks(job: JobSpec) -> list[Task]:
    """The tasks that decide success: all must have exited 0. AllWorkers counts the chief, a worker in TensorFlow."""
    policy = job["completion"]["successPolicy"]
    if policy == "Chief":
        return [Task("chief", 0)]
    if policy == "Worker0":
        return [Task("worker", 0)]
    return [task for task in tasks(job) if task.role in ("chief", "worker")]


def reporter(job: JobSpec, state: State) -> Task | None:
    """The task that reports the job's progress: the first of the deciding tasks that is not done."""
    return next((task for task in deciding_tasks(job) if task not in state.succeeded), None)


def is_running(pod: Pod) -> bool:
    """Whether its container runs, as far as anybody knows."""
    return pod.status == "Running" and not pod.unreachable


def not_running(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> list[Task]:
    """Tasks that neither run nor are done. `pods`: those of this run."""
    return [
        task
        for task in tasks(job)
        if task not in state.succeeded
        and (task not in pods or not is_running(pods[task]) or pods[task].deleted is not None)
    ]


def training_pods(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> list[Pod]:
    """The pods whose programs take part in the training and are not done."""
    return [
        pod
        for task, pod in pods.items()
        if task.role != "evaluator" and task not in state.succeeded and not runs_server(job, task.role)
    ]


def counts(job: JobSpec, state: State, pods: Mapping[Task, Pod]) -> dict[str, StatusRole]:
    """Per role how many tasks there are, run and have succeeded, and the restarts of the pods there are."""
    table: dict[str, StatusRole] = {
        role: {"replicas": size, "running": 0, "succeeded": 0, "restarts": 0}
        for role, size in job["replicas"].items()
        if size
    }
    for task in state.succeeded:
        if task.role in table:
            table[task.role]["succeeded"] += 1
    for task, pod in pods.items():
        if task.role in table and pod.run_id == job["runId"]:
            table[task.role]["restarts"] += pod.restarts
            table[task.role]["running"] += is_running(pod) and task not in state.succeeded
    return table
