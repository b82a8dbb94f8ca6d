"""Jobs in the queues of a real Kueue, with values/kueue.yaml as it stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.kueue import LABEL
from hack.cluster.proxy import Api, Object
from hack.cluster.target import Target

from .conftest import Jobs
from .engines import switched_on
from .gangs import DEVICE, DEVICES, devices, ends, of_devices, one_of_two, started, train_in_turn
from .programs import ROOT, Values
from .tool import Tool

pytestmark = pytest.mark.engines("Kueue", "kueue", "sigs.k8s.io/kueue")

OVERLAY = yaml.safe_load((ROOT / "values/kueue.yaml").read_text())
QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"


@pytest.fixture(scope="module")
def switch(cluster: Target, api: Api) -> Iterator[Callable[[str], None]]:
    """Kueue runs, and the node has devices; the function makes Kueue `strict` and turns it `on` again."""
    with switched_on(cluster, "kueue") as switch, devices(api):
        yield switch


class Queues:
    """What Kueue has of a namespace: a queue `training` for four devices, and Workloads."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs, self.namespace = jobs, jobs.namespace.name
        jobs.namespace.api.patch("namespaces", "", self.namespace, {"metadata": {"labels": {LABEL: "true"}}})
        self.flavor({})
        self.cluster_queue(self.namespace)
        self.queue("training")

    def flavor(self, spec: Object) -> None:
        self.apply("ResourceFlavor", self.namespace, {"spec": spec})
        self.jobs.of_cluster.append(f"resourceflavor/{self.namespace}")

    def cluster_queue(self, name: str, devices: int = DEVICES, **fields: Any) -> None:
        quotas = [("cpu", "8"), ("memory", "8Gi"), (DEVICE, str(devices))]
        flavor = {"name": self.namespace, "resources": [{"name": name, "nominalQuota": size} for name, size in quotas]}
        spec = {
            "namespaceSelector": {},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [{"coveredResources": [name for name, _ in quotas], "flavors": [flavor]}],
            **fields,
        }
        self.apply("ClusterQueue", name, {"spec": spec})
        self.jobs.of_cluster.append(f"clusterqueue/{name}")

    def apply(self, kind: str, name: str, fields: dict[str, Any], **metadata: str) -> None:
        item = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": {"name": name, **metadata}, **fields}
        done = self.jobs.target.run("kubectl", "apply", "-f", "-", text=json.dumps(item))
        assert done.returncode == 0, done.stderr

    def queue(self, name: str, cluster_queue: str = "") -> None:
        spec = {"clusterQueue": cluster_queue or self.namespace}
        self.apply("LocalQueue", name, {"spec": spec}, namespace=self.namespace)

    def priorities(self, **values: int) -> None:
        for name, value in values.items():
            self.apply("WorkloadPriorityClass", f"{self.namespace}-{name}", {"value": value})
            self.jobs.of_cluster.append(f"workloadpriorityclass/{self.namespace}-{name}")

    def workloads(self) -> list[str]:
        return [item["metadata"]["name"] for item in self._get("workloads", "-n", self.namespace)["items"]]

    def used(self) -> int:
        """Devices of the quota in use."""
        flavors = self._get("clusterqueue", self.namespace)["status"].get("flavorsUsage") or ()
        totals = [one["total"] for flavor in flavors for one in flavor["resources"] if one["name"] == DEVICE]
        return sum(map(int, totals))

    def _get(self, *words: str) -> Object:
        done = self.jobs.target.run("kubectl", "get", *words, "-o", "json")
        assert done.returncode == 0, done.stderr
        answer: Object = json.loads(done.stdout)
        return answer


@pytest.fixture
def queues(switch: Callable[[str], None], jobs: Jobs) -> Queues:  # noqa: ARG001
    return Queues(jobs)


def gang(workers: int = 2, queue: str = "training", priority: str = "", **values: Any) -> Values:
    """A job of so many workers and one ps, each with a device, in a queue."""
    labels = {**OVERLAY["podLabels"], QUEUE: queue, **({PRIORITY: priority} if priority else {})}
    return of_devices(workers, **{**OVERLAY, "podLabels": labels, **values})


def test_a_job_that_does_not_fit_waits_whole_and_starts_when_there_is_quota(jobs: Jobs, queues: Queues) -> None:
    first = jobs.install(gang(), "first")
    first.wait_running()
    second = jobs.install(gang(deadlines={"startSeconds": 5}), "second")
    second.wait_for_message(
        "^worker-0, worker-1, ps-0: SchedulingGated: in queue training of Kueue: .*"
        f"insufficient unused quota for {DEVICE} in flavor {queues.namespace}, 2 more needed"
    )
    assert started(second) == []
    controller = second.controller
    second.delete_lifecycle_pod()
    second.wait_for_other_controller(controller)
    first.tell("worker-0", "end")
    second.wait_running()
    first.wait_ended("Succeeded", disturbed=True)
    second.upgrade("--reuse-values", "--set", "suspend=true")
    second.wait_for_phase("Suspended")
    second.wait_until("the quota is free", lambda: queues.used() == 0)
    second.upgrade("--reuse-values", "--set", "suspend=false")
    second.wait_running()
    old = second.delete_pod("worker-1")
    second.wait_for_new_pod("worker-1", old)
    second.upgrade("--reuse-values", "--set", "run=2")
    second.wait_until("the second run", lambda: second.phase == "Running" and len(queues.workloads()) == 1)
    assert second.status["failures"] == 0
    second.uninstall()
    second.wait_until("nothing is left", lambda: not second.pods and not queues.workloads() and queues.used() == 0)


def test_a_job_that_can_never_start_says_why_and_its_deadline_stands_still(jobs: Jobs, queues: Queues) -> None:
    limit = {"startSeconds": 5}
    large = jobs.install(gang(workers=4, deadlines=limit), "large")
    lost = jobs.install(gang(queue="nosuch", deadlines=limit), "lost")
    counted = jobs.install(gang(workers=4, deadlines={**limit, "countQueuedTime": True}), "counted")
    large.wait_for_message(f"^all 5 tasks: SchedulingGated: .*insufficient quota for {DEVICE} .* > maximum capacity")
    assert counted.wait_ended("Failed", disturbed=True)["reason"] == "StartDeadlineExceeded"
    lost.wait_for_message("^worker-0, worker-1, ps-0: SchedulingGated: in queue nosuch of Kueue")
    for job in (large, lost):
        assert job.phase == "Pending", "it has waited as long as the one that failed"
        assert started(job) == []
    tool = Tool(jobs.target, queues.namespace)
    assert "LocalQueue nosuch doesn't exist" in tool("status", "lost")[0]
    queues.queue("nosuch")
    lost.wait_running()
    ends(lost)


def test_two_jobs_that_would_hold_half_of_the_devices_each_run_in_turn(jobs: Jobs, queues: Queues) -> None:
    first, second = one_of_two(jobs, gang())
    assert started(second) == []
    assert queues.used() == 3
    ends(first)
    second.wait_running()
    ends(second)


def test_a_preempted_job_says_so_and_resumes_without_a_counted_failure(jobs: Jobs, queues: Queues) -> None:
    queues.priorities(low=1, high=1000)
    low = jobs.install(gang(priority=f"{queues.namespace}-low", deadlines={"activeSeconds": 60}), "low")
    low.wait_running()
    high = jobs.install(gang(priority=f"{queues.namespace}-high"), "high")
    high.wait_running()
    low.wait_for_message("SchedulingGated: in queue training of Kueue: Preempted to accommodate a workload due to ")
    assert started(low) == []
    ends(high)
    low.wait_running()
    assert low.status["failures"] == 0
    assert low.status["queuedSeconds"] > 0
    ends(low)


def test_doctor_finds_queues_that_can_never_take_a_job(jobs: Jobs, queues: Queues, tmp_path: Path) -> None:
    tool, job = Tool(jobs.target, queues.namespace), jobs.new()
    jobs.all.remove(job)  # it is never installed

    def checks(code: int, **values: Any) -> list[str]:
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(job.complete(gang(**values))))
        found = json.loads(tool("doctor", "-f", str(file), "-o", "json", code=code)[0])["checks"]
        lines = [f"{one['check']} {one['result']}: {one['message']}" for one in found]
        return [text for text in lines if text.startswith(("LocalQueue", "ClusterQueue", "WorkloadPriorityClass"))]

    assert checks(0) == [f"LocalQueue training ok: of ClusterQueue {queues.namespace}"]
    assert checks(1, queue="nosuch", priority="none") == [
        "LocalQueue nosuch error: is not in the namespace; the job would wait for it",
        "WorkloadPriorityClass none error: does not exist; Kueue would not admit the job",
    ]
    larger = f"{DEVICE} needed 5, quota 4: the job is larger than the queue, and would wait for ever"
    assert f"ClusterQueue {queues.namespace} error: {larger}" in checks(1, workers=4)


@pytest.mark.parametrize("strict", [False, True], ids=["LocalQueue default", "manageJobsWithoutQueueName"])
def test_a_job_runs_where_kueue_queues_its_lifecycle_too(
    jobs: Jobs, queues: Queues, switch: Callable[[str], None], strict: bool
) -> None:
    if strict:
        switch("strict")
    else:
        queues.queue("default")
    job = jobs.install(gang(lifecycle={"labels": {QUEUE: "training"} if strict else {}}))
    job.wait_running()
    assert queues.used() == 3
    ends(job)
    switch("on")


def test_a_job_that_borrows_gives_back_and_resumes_without_a_counted_failure(jobs: Jobs, queues: Queues) -> None:
    lender, borrower = f"{queues.namespace}-lender", f"{queues.namespace}-borrower"
    reclaims = {"reclaimWithinCohort": "Any"}
    queues.cluster_queue(lender, 3, cohortName=queues.namespace, preemption=reclaims)
    queues.cluster_queue(borrower, 0, cohortName=queues.namespace)
    queues.queue("lends", lender)
    queues.queue("borrows", borrower)
    guest = jobs.install(gang(queue="borrows"), "guest")
    guest.wait_running()
    owner = jobs.install(gang(queue="lends"), "owner")
    owner.wait_running()
    guest.wait_for_message("SchedulingGated: in queue borrows of Kueue: Preempted to accommodate .* cohort")
    assert started(guest) == []
    ends(owner)
    guest.wait_running()
    assert guest.status["failures"] == 0
    ends(guest)


def test_a_job_whose_pods_are_not_ready_in_time_gives_its_quota_back_and_tries_again(
    jobs: Jobs, queues: Queues, switch: Callable[[str], None]
) -> None:
    """With waitForPodsReady; one task waits for a node that comes later."""
    switch("impatient")
    label = f"{queues.namespace}/here"
    job = jobs.install(gang(worker={"replicas": 2, "gpus": 1, "nodeSelector": {label: "yes"}}))
    job.wait_for_message("SchedulingGated: in queue training of Kueue: Exceeded the PodsReady timeout")
    assert started(job) == []
    name = jobs.namespace.api.get("nodes", "")["items"][0]["metadata"]["name"]
    jobs.namespace.api.patch("nodes", "", name, {"metadata": {"labels": {label: "yes"}}})
    try:
        job.wait_running()
    finally:
        jobs.namespace.api.patch("nodes", "", name, {"metadata": {"labels": {label: None}}})
    assert job.status["failures"] == 0
    ends(job)
    switch("on")


def test_a_job_in_a_topology_starts_on_one_node_and_its_restarted_task_returns_there(
    jobs: Jobs, queues: Queues
) -> None:
    host = "kubernetes.io/hostname"
    name = jobs.namespace.api.get("nodes", "")["items"][0]["metadata"]["name"]
    queues.apply("Topology", queues.namespace, {"spec": {"levels": [{"nodeLabel": host}]}})
    jobs.of_cluster.append(f"topology/{queues.namespace}")
    queues.flavor({"nodeLabels": {"kubernetes.io/os": "linux"}, "topologyName": queues.namespace})
    wants = {**OVERLAY["podAnnotations"], "kueue.x-k8s.io/podset-required-topology": host}
    job = jobs.install(gang(podAnnotations=wants))
    job.wait_running()
    assert {pod["spec"]["nodeSelector"][host] for pod in job.pods.values()} == {name}
    old = job.delete_pod("worker-1")
    job.wait_for_new_pod("worker-1", old)
    job.wait_running()
    assert job.pods["worker-1"]["spec"]["nodeSelector"][host] == name
    ends(job)


def test_two_trainings_in_one_queue_run_in_turn_to_their_last_steps(jobs: Jobs, queues: Queues) -> None:
    train_in_turn(jobs, OVERLAY)
    assert queues.used() == 0
