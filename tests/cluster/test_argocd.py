"""Jobs that a real Argo CD deploys from Git: it shows them as they are, and undoes nothing of their lifecycles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.target import Target

from .applications import Application
from .conftest import Jobs
from .engines import switched_on
from .jobs import Job
from .measure import program_end
from .programs import Values, shell

pytestmark = [
    pytest.mark.engines("Argo CD", "argocd", "github.com/argoproj/argo-cd/v3"),
    pytest.mark.usefixtures("argocd"),
]

WAITS = "wait_for end"
CA = "kube-root-ca.crt"
# How Argo CD compares and applies: as it does by default, and with the API server's own merge.
OPTIONS: dict[str, Values] = {
    "client-side": {},
    "server-side": {
        "annotations": {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"},
        "syncOptions": ["ServerSideApply=true"],
    },
}


@pytest.fixture(scope="module")
def argocd(cluster: Target) -> Iterator[None]:
    """Argo CD runs."""
    with switched_on(cluster, "argocd"):
        yield


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Callable[..., Application]]:
    """Makes the Application of a job."""
    made: list[Application] = []

    def new(job: Job, values: Values, options: Values | None = None, **policy: Any) -> Application:
        application = Application(job, tmp_path / job.namespace.name)
        made.append(application)
        application.commit(values)
        application.create(policy, options or {})
        return application

    yield new
    for application in made:
        application.close()


def test_without_pruning_a_superseded_lifecycle_waits_and_ends_with_the_training(
    jobs: Jobs, deploy: Callable[..., Application]
) -> None:
    job = jobs.new()
    values = shell(WAITS)
    application = deploy(job, values, prune=False)
    job.wait_running()
    first = job.controller
    other = application.commit({**values, "lifecycle": {"podAnnotations": {"a-change-of": "the lifecycle"}}})
    application.wait_deployed(other)
    job.wait_until("another lifecycle", lambda: job.controller != first)
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)
    application.wait_for_health("Healthy")
    assert {pod["status"]["phase"] for pod in job.lifecycle_pods} == {"Succeeded"}
    assert len(job.lifecycle_pods) == 2
    assert all(item["requiresPruning"] for item in application.out_of_sync(application.status))
    assert application.synced == application.commits


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_job_is_trained_suspended_and_run_again_by_git_without_drift(
    jobs: Jobs, deploy: Callable[..., Application], kind: str
) -> None:
    job = jobs.new()
    values = shell(WAITS, worker={"replicas": 2}, ps={"replicas": 1}, checkpoint={"enabled": True})
    application = deploy(job, values, OPTIONS[kind])
    run = job.wait_running()["runId"]
    application.wait_for_health("Progressing")

    application.wait_synced(application.commit({**values, "suspend": True}))
    job.wait_for_phase("Suspended")
    job.wait_until("no pod is left", lambda: not job.pods)
    application.wait_for_health("Progressing")

    application.wait_synced(application.commit(values))
    assert job.wait_running()["runId"] == run
    application.wait_synced(application.commit({**values, "run": 2}))
    job.wait_until("the second run", lambda: job.phase == "Running" and job.status["runId"] != run)
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded", disturbed=True)
    application.wait_for_health("Healthy")
    assert application.drift() == []
    assert application.synced == application.commits, "what the lifecycle changes, Argo CD leaves alone"

    application.delete()
    left = [job.namespace.list(kind) for kind in ("jobs", "statefulsets", "configmaps", "services", "pods")]
    assert [item["metadata"]["name"] for items in left for item in items if item["metadata"]["name"] != CA] == []
    assert [claim["metadata"]["name"] for claim in job.namespace.list("persistentvolumeclaims")] == ["job-checkpoints"]


def test_a_failure_is_seen_within_seconds(
    jobs: Jobs, deploy: Callable[..., Application], note: Callable[[str], None]
) -> None:
    job = jobs.new()
    application = deploy(job, shell("wait_for end; exit 3", restart={"policy": "Never"}))
    job.wait_running()
    job.tell("worker-0", "end")
    seen = application.wait_for_health("Degraded")
    ended = program_end(job)
    assert ended
    note(f"seconds from a failure until Argo CD shows it: {seen - ended:.1f}")
    assert seen - ended < 10
