"""The API server is away for a while: nothing is lost, and the pods are freed when it is back.

It is stopped once, under two jobs: in one a program fails meanwhile, in the other the deciding program ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from hack.cluster.proxy import Object
from hack.cluster.target import Target

from .conftest import Jobs
from .jobs import Job
from .programs import shell

SERVER = "kube-apiserver"

# Kubelet, kube-proxy (without which no pod reaches the server) and the controllers ask a server that was away again
# after up to 60 s, each for itself: client-go's reflectors wait up to 30 s, and as much again at random.
AWAY_SECONDS = 120

# Returns some seconds after the API server has gone.
WAIT_UNTIL_AWAY = """
python3 -c '
import os, socket, time
try:
    while True:
        socket.create_connection((os.environ["KUBERNETES_SERVICE_HOST"], 443), 5).close()
        time.sleep(0.2)
except OSError:
    time.sleep(5)
'
"""
SERVER_ONLY = "test $TASK_TYPE = ps && sleep 600\n"
AGAIN = "test -e $HOME/again && { wait_for end; exit 0; }\n"
FAILS = SERVER_ONLY + AGAIN + WAIT_UNTIL_AWAY + "touch $HOME/again; exit 1"
ENDS = SERVER_ONLY + WAIT_UNTIL_AWAY + 'echo "the last words"'


@dataclass
class Outage:
    """The jobs, and the status of the first one before."""

    fails: Job
    ends: Job
    before: Object


@pytest.fixture(scope="module")
def outage(cluster: Target, shared_jobs: Jobs) -> Outage:
    """Both programs end while the API server is away, and the outcome is recorded after its return."""
    if not cluster.own:
        pytest.skip("only on the kit's cluster")
    fails = shared_jobs.install(shell(FAILS, ps={"replicas": 1}), "fails")
    ends = shared_jobs.install(shell(ENDS, ps={"replicas": 2}), "ends")
    for job in (fails, ends):
        job.wait_running()
    before = fails.status
    assert before["failures"] == 0
    try:
        cluster.kit("stop", SERVER)
        time.sleep(30)  # as long as it is away
        assert fails.status == before
        assert ends.phase == "Running"
    finally:
        cluster.kit("start", SERVER)
    ends.wait_for_phase("Succeeded", AWAY_SECONDS)
    return Outage(fails, ends, before)


def test_away_in_the_middle_of_a_run_while_a_program_fails(outage: Outage) -> None:
    job, run = outage.fails, outage.before
    job.wait_until("the failure meanwhile is counted", lambda: job.status["failures"] == 1, AWAY_SECONDS)
    job.wait_running()
    job.wait_until("the program runs again", lambda: job.restarts("worker-0") == 1 and job.runs("worker-0"))
    job.tell("worker-0", "end")
    status = job.wait_ended("Succeeded", disturbed=True, freed=AWAY_SECONDS)
    assert (status["runId"], status["startTime"]) == (run["runId"], run["startTime"])
    assert status["failures"] == 1


def test_away_at_the_moment_the_deciding_program_ends(outage: Outage) -> None:
    job = outage.ends
    status = job.wait_ended("Succeeded", disturbed=True, freed=AWAY_SECONDS)
    assert (status["decidingTask"], status["exitCode"], status["failures"]) == ("worker-0", 0, 0)
    assert "the last words" in job.tail()
