"""Jobs beside schedulers of whole jobs that the cluster of KUBECONFIG has, with their overlays as they stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from hack.cluster.proxy import Api, ApiError
from hack.cluster.target import Target

from .conftest import Jobs
from .gangs import DEVICES, devices, ends, of_devices, one_of_two, started
from .programs import ROOT, Values

# The overlay, and what the API server has where the scheduler is installed.
VOLCANO = ("volcano.yaml", "/apis/scheduling.volcano.sh/v1beta1/podgroups")
COSCHEDULING = ("coscheduling.yaml", "/apis/scheduling.x-k8s.io/v1alpha1/podgroups")


@pytest.fixture(
    params=[
        pytest.param(VOLCANO, id="Volcano", marks=pytest.mark.engines("Volcano")),
        pytest.param(COSCHEDULING, id="coscheduling", marks=pytest.mark.engines("coscheduling")),
    ]
)
def overlay(cluster: Target, api: Api, request: pytest.FixtureRequest) -> Iterator[Values]:
    """The values of one scheduler, while a node has devices."""
    assert cluster
    file, kind = request.param
    try:
        api.text("GET", kind)
    except ApiError as error:
        if error.status != 404:
            raise
        pytest.skip("not run here: the cluster does not have it")
    with devices(api):
        yield yaml.safe_load((ROOT / "values" / file).read_text())


def test_a_job_that_does_not_fit_starts_nothing_until_another_has_ended(jobs: Jobs, overlay: Values) -> None:
    first = jobs.install(of_devices(**overlay), "first")
    first.wait_running()
    second = jobs.install(of_devices(**overlay), "second")
    second.wait_for_message("^(all 3 tasks|worker-0, worker-1, ps-0): ")
    assert started(second) == []
    ends(first)
    second.wait_running()
    ends(second)


def test_a_job_larger_than_the_cluster_starts_nothing_and_says_why(jobs: Jobs, overlay: Values) -> None:
    large = jobs.install(of_devices(workers=DEVICES, **overlay))
    large.wait_for_message("^all 5 tasks: ")
    assert started(large) == []
    assert large.phase == "Pending"


def test_two_jobs_that_would_hold_half_of_the_devices_each_run_in_turn(jobs: Jobs, overlay: Values) -> None:
    first, second = one_of_two(jobs, of_devices(**overlay))
    assert started(second) == []
    ends(first)
    second.wait_running()
    ends(second)


def test_a_restarted_task_a_suspended_job_and_a_new_run_start_again(jobs: Jobs, overlay: Values) -> None:
    job = jobs.install(of_devices(**overlay))
    job.wait_running()
    old = job.delete_pod("worker-1")
    job.wait_for_new_pod("worker-1", old)
    job.wait_running()
    job.upgrade("--reuse-values", "--set", "suspend=true")
    job.wait_for_phase("Suspended")
    job.upgrade("--reuse-values", "--set", "suspend=false")
    job.wait_running()
    first = job.wait_running()["runId"]
    job.upgrade("--reuse-values", "--set", "run=2")
    job.wait_until("the second run", lambda: job.phase == "Running" and job.status["runId"] != first)
    assert job.status["failures"] == 0
    job.uninstall()
    job.wait_until("nothing is left", lambda: not job.pods)
