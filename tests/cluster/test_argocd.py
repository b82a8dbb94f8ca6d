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
from .programs import Values, shell

pytestmark = [
    pytest.mark.engines("Argo CD", "github.com/argoproj/argo-cd/v3"),
    pytest.mark.usefixtures("argocd"),
]

WAITS = "wait_for end"


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
    assert len(application.operations) == application.commits
