"""The API server does not answer for a while: nothing is lost, and the pods are freed when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hack.cluster.target import Target

from .conftest import Jobs
from .programs import shell

SERVER = "kube-apiserver"

# The kubelet and the controllers ask a server that was away again after up to 30 s, each for itself (client-go's
# reflectors), so pods go and Jobs end only then, long after the lifecycle has recorded the outcome.
AWAY_SECONDS = 120


@pytest.fixture
def api_server(own_cluster: Target) -> Iterator[Target]:
    """The kit's cluster, whose API server runs again afterwards."""
    yield own_cluster
    own_cluster.kit("start", SERVER)


def test_away_in_the_middle_of_a_run_while_a_program_fails(jobs: Jobs, api_server: Target) -> None:
    script = "test $TASK_TYPE = ps && sleep 600; test -e $HOME/again && { wait_for end; exit 0; }; "
    script += "sleep 12; touch $HOME/again; exit 1"
    job = jobs.install(shell(script, ps={"replicas": 1}))
    job.wait_running()
    run = job.status
    assert run["failures"] == 0
    api_server.kit("stop", SERVER)
    time.sleep(30)
    assert job.status == run
    api_server.kit("start", SERVER)
    job.wait_until("the failure meanwhile is counted", lambda: job.status["failures"] == 1, 90)
    job.wait_running()
    job.wait_until("the program runs again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded", disturbed=True, freed=AWAY_SECONDS)
    assert (status["runId"], status["startTime"]) == (run["runId"], run["startTime"])
    assert status["failures"] == 1


def test_away_at_the_moment_the_deciding_program_ends(jobs: Jobs, api_server: Target) -> None:
    script = 'test $TASK_TYPE = ps && sleep 600; sleep 12; echo "the last words"'
    job = jobs.install(shell(script, ps={"replicas": 2}))
    job.wait_running()
    api_server.kit("stop", SERVER)
    time.sleep(30)
    back = time.time()
    api_server.kit("start", SERVER)
    job.wait_for_phase("Succeeded", 60)
    assert time.time() - back < 60
    status = job.wait_ended("Succeeded", disturbed=True, freed=AWAY_SECONDS)
    assert (status["decidingTask"], status["exitCode"], status["failures"]) == ("worker-0", 0, 0)
    assert "the last words" in job.tail()
