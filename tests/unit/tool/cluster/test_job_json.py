"""`tfconfig status -o json` is what docs/schemas/status.schema.json says, in every state of a job."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.tool.cluster.documents import NOW, documents, exited, lifecycle_pod, pod, time, unschedulable
from tests.unit.tool.cluster.kube import LOST, RUNS, WON
from tests.unit.tool.cluster.schemas import FOLDER, renamed_and_extended, validator
from tfconfig.cluster.job_json import job_document, job_list_document
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_view import view
from tfconfig.tensorflow_job.lifecycle.state import SUSPENDED, Outcome
from tfconfig.tensorflow_job.task.job_spec import Task

SCHEMA = validator("status")
PROGRESS = {"step": 1200, "total": 5000, "loss": 0.3, "rate": None, "task": "chief-0", "time": time(NOW - 2)}
PAST = Outcome("older", "Failed", "TaskFailed", "worker-0 exited 1", NOW - 900)
EVERYTHING = documents(
    replace(RUNS, history=(PAST,), succeeded=frozenset([Task("ps", 0)])),
    [
        pod("chief-0", deleted=NOW - 40),
        pod("worker-0", restarts=1, last=exited(1, message="ValueError: bad shape")),
        pod("worker-1", **unschedulable("no node")),
    ],
    {"progress": PROGRESS},
)
JOBS = {
    "no status yet": documents(None),
    "a status of another run": documents(replace(WON, run_id="before")),
    "runs": EVERYTHING,
    "back-off": documents(RUNS, [pod("worker-0", state={"waiting": {"reason": "CrashLoopBackOff"}})]),
    "pods of another run": documents(RUNS, [pod("worker-0", run_id="old")]),
    "suspended": documents(replace(RUNS, phase=SUSPENDED)),
    "succeeded": documents(replace(WON, freed=True)),
    "failed": documents(LOST, [pod("worker-0", state=exited(3))]),
    "without a lifecycle": replace(documents(None), pods=[lifecycle_pod({"waiting": {"reason": "ErrImagePull"}})]),
}


def errors(document: Any) -> list[str]:
    return [error.message for error in SCHEMA.iter_errors(json.loads(json.dumps(document)))]


@pytest.mark.parametrize("objects", JOBS.values(), ids=JOBS)
def test_a_job_in_every_state(objects: JobObjects) -> None:
    document = job_document(view(objects, NOW))
    assert errors(document) == []
    assert next(iter(document)) == "version"


def test_a_list_of_jobs() -> None:
    views = [view(JobObjects(objects.status), NOW) for objects in JOBS.values()]
    document = job_list_document(views)
    assert errors(document) == []
    assert errors(job_list_document([])) == []
    assert "tasks" not in document["jobs"][0], "a list does not read pods"


def test_a_key_that_is_renamed_or_added_anywhere_breaks_the_schema() -> None:
    jobs = job_list_document([view(JobObjects(EVERYTHING.status), NOW)])
    for document in (job_document(view(EVERYTHING, NOW)), jobs):
        accepted = [place for place, changed in renamed_and_extended(document) if not errors(changed)]
        assert accepted == []


def test_the_example_of_everything_has_every_key_of_the_schema() -> None:
    schema = json.loads((FOLDER / "status.schema.json").read_text("utf-8"))
    properties = schema["$defs"]["job"]["properties"]
    assert set(job_document(view(EVERYTHING, NOW))) == set(properties)
