"""Gang scheduling by Kubernetes' own scheduler, with values/gang.yaml as it stands: with the feature gate, and without.

The tests run in this order: each change of the feature gate restarts the control plane.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from hack.cluster import gang as kit
from hack.cluster.proxy import Api
from hack.cluster.settings import KUBERNETES
from hack.cluster.target import Target

from .conftest import Jobs
from .gangs import DEVICE, devices, ends, of_devices, one_of_two, started, train_in_turn
from .programs import ROOT, Values
from .tool import Tool

pytestmark = pytest.mark.engines("gang scheduling")

OVERLAY = yaml.safe_load((ROOT / "values/gang.yaml").read_text())
NO_ROOM = rf"Unschedulable: 0/\d+ nodes are available: .*\b1 Insufficient {DEVICE}"

Switch = Callable[[str], None]


@pytest.fixture(scope="module")
def switch(cluster: Target, api: Api) -> Iterator[Switch]:
    """The node has devices; the function turns gang scheduling `on`, or `ignored`, or `off`, as it is at the end."""
    if not cluster.own:
        pytest.skip("only on the kit's cluster")
    if KUBERNETES == "1.35":
        pytest.skip("Kubernetes 1.35 has no such PodGroup")
    with devices(api):
        yield lambda state: cluster.kit("gang", state)
        cluster.kit("gang", "off")


@pytest.fixture
def gangs(switch: Switch, jobs: Jobs) -> Jobs:
    """A namespace where the scheduler starts all tasks of a job together."""
    switch("on")
    return jobs


def gang(workers: int = 2, **values: Any) -> Values:
    """A job of so many workers and one ps, each with a device."""
    return of_devices(workers, **{**OVERLAY, **values})


def groups(jobs: Jobs) -> list[str]:
    """The PodGroups of the namespace."""
    text = jobs.namespace.api.text("GET", f"{kit.API}/namespaces/{jobs.namespace.name}/podgroups")
    return [item["metadata"]["name"] for item in json.loads(text)["items"]]


def test_a_job_that_does_not_fit_starts_nothing_and_runs_when_there_is_room(gangs: Jobs) -> None:
    first = gangs.install(gang(), "first")
    first.wait_running()
    second = gangs.install(gang(deadlines={"startSeconds": 3}), "second")
    second.wait_for_message(f"^worker-0, worker-1, ps-0: {NO_ROOM}")
    old = first.delete_pod("worker-1")
    first.wait_for_new_pod("worker-1", old)
    assert started(second) == [], "a task that restarts keeps its place"
    first.tell("worker-0", "end")
    second.wait_running()
    first.wait_ended("Succeeded", disturbed=True)
    assert second.status["queuedSeconds"] > 3, "its deadline stood still"
    second.upgrade("--reuse-values", "--set", "suspend=true")
    second.wait_for_phase("Suspended")
    second.upgrade("--reuse-values", "--set", "suspend=false")
    second.wait_running()
    before = second.status["runId"]
    second.upgrade("--reuse-values", "--set", "run=2")
    second.wait_until("the second run", lambda: second.phase == "Running" and second.status["runId"] != before)
    run = second.status["runId"]
    second.wait_until("the group of the first run is gone", lambda: f"second-{before}" not in groups(gangs))
    assert f"second-{run}" in groups(gangs)
    assert second.status["failures"] == 0
    for job in (first, second):
        job.uninstall()
    second.wait_until("nothing is left", lambda: not second.pods and not groups(gangs))


def test_two_jobs_that_would_hold_half_of_the_devices_each_run_in_turn(gangs: Jobs) -> None:
    first, second = one_of_two(gangs, gang())
    second.wait_for_message(NO_ROOM)
    assert started(second) == []
    ends(first)
    second.wait_running()
    ends(second)


def test_two_trainings_run_in_turn_to_their_last_steps(gangs: Jobs) -> None:
    train_in_turn(gangs, OVERLAY)


def test_a_job_is_preempted_as_one_and_resumes_without_a_counted_failure(gangs: Jobs) -> None:
    low, high = (f"{gangs.namespace.name}-{name}" for name in ("low", "high"))
    for name, value in ((low, 1), (high, 1000)):
        assert gangs.target.run("kubectl", "create", "priorityclass", name, f"--value={value}").returncode == 0
        gangs.of_cluster.append(f"priorityclass/{name}")
    first = gangs.install(gang(priorityClassName=low), "low")
    first.wait_running()
    second = gangs.install(gang(workers=1, priorityClassName=high), "high")
    second.wait_running()
    first.wait_for_message(NO_ROOM)
    assert started(first) == [], "two of its three devices would do for the other"
    ends(second)
    first.wait_running()
    assert first.status["failures"] == 0
    ends(first)


def test_a_job_larger_than_the_cluster_waits_whole_and_says_why(gangs: Jobs) -> None:
    job = gangs.install(gang(workers=4, deadlines={"startSeconds": 3, "countQueuedTime": True}))
    status = job.wait_ended("Failed", disturbed=True)
    assert status["reason"] == "StartDeadlineExceeded"
    assert re.search(NO_ROOM, status["message"])
    training = [
        seen.object for seen in job.namespace.pods.history if "tensorflow-job/role" in str(seen.object["metadata"])
    ]
    assert training
    assert not [pod for pod in training if pod["spec"].get("nodeName")]


def test_a_scheduler_without_the_feature_gate_is_reported(switch: Switch, jobs: Jobs) -> None:
    switch("ignored")
    job = jobs.install(gang(workers=4))
    job.wait_for_message("some tasks run while others have no node: the scheduler does not start them together")
    job.wait_until("a warning", lambda: ("Warning", "NotStartedTogether") in [event[:2] for event in job.events()])
    job.uninstall()
    job.wait_until("nothing is left", lambda: not job.pods and not groups(jobs))


def test_without_the_api_helm_and_doctor_say_what_is_missing(switch: Switch, jobs: Jobs) -> None:
    switch("off")
    job, namespace = jobs.new(), jobs.namespace.name
    jobs.all.remove(job)
    refused = job.install(gang(), succeeds=False)
    assert 'no matches for kind "PodGroup" in version "scheduling.k8s.io/v1beta1"' in refused.stderr
    file = ROOT / "values/gang.yaml"
    output, _ = Tool(jobs.target, namespace)(
        "doctor", "-f", str(file), "--set-string", "program.command={true}", code=1
    )
    assert "GenericWorkload" in output
    # Applied without Helm, the rest of the job is there.
    objects = [item for item in yaml.safe_load_all(job.template(gang())) if item and item["kind"] != "PodGroup"]
    job.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    job.wait_for_message("^all 3 tasks run or are done; tasks start one by one: the API server dropped the PodGroup")
    ends(job)
