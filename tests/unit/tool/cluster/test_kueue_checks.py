"""What `tfconfig doctor` concludes from the queues of Kueue."""

from __future__ import annotations

from typing import Any

import pytest

from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check, Object
from tfconfig.cluster.preflight.kueue import PRIORITY, check_kueue
from tfconfig.tensorflow_job.lifecycle.queues import KUEUE_QUEUE

API = "/apis/kueue.x-k8s.io/v1beta2"
LOCAL, CLUSTER = f"{API}/namespaces/ns/localqueues/q", f"{API}/clusterqueues/cq"
CLASS = f"{API}/workloadpriorityclasses/p"
SERVED = {"groups": [{"name": "kueue.x-k8s.io", "versions": [{"version": "v1beta1"}, {"version": "v1beta2"}]}]}
POD = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1", "t/gpu": "2"}}}]}}


def cluster_queue(cpu: str = "8", gpu: str = "4", **spec: Any) -> Object:
    resources = [{"name": "cpu", "nominalQuota": cpu}, {"name": "t/gpu", "nominalQuota": gpu}]
    group = {"coveredResources": ["cpu", "t/gpu"], "flavors": [{"name": "f", "resources": resources}]}
    return {"spec": {"namespaceSelector": {}, "resourceGroups": [group], **spec}}


def limited_to(pods: int) -> Object:
    """A ClusterQueue that counts pods, too."""
    queue = cluster_queue()
    resources = {"name": "g", "resources": [{"name": "pods", "nominalQuota": pods}]}
    queue["spec"]["resourceGroups"].append({"coveredResources": ["pods"], "flavors": [resources]})
    return queue


def checks_of(objects: dict[str, Any], count: int = 2, priority: str = "") -> list[Check]:
    """The checks of a job of so many pods. Objects that are not named do not exist; None: no permission."""
    labels = {KUEUE_QUEUE: "q", PRIORITY: priority}
    workers = {"kind": "StatefulSet", "metadata": {}, "spec": {"template": {"metadata": {"labels": labels}}}}
    lifecycle = {"kind": "Job", "metadata": {"labels": {}}, "spec": {"template": {"metadata": {"labels": {}}}}}
    there = {"/apis": SERVED, LOCAL: {"spec": {"clusterQueue": "cq"}}, CLUSTER: cluster_queue(), **objects}
    return check_kueue(lambda path: there.get(path, {}), "ns", [workers, lifecycle], [(POD, count), (POD, 1)])


def results(checks: list[Check]) -> list[tuple[str, str, str]]:
    return [(check.check, check.result, check.message) for check in checks]


IS_THERE = ("LocalQueue q", OK, "of ClusterQueue cq")


def of_cluster(result: str, message: str) -> list[tuple[str, str, str]]:
    return [IS_THERE, ("ClusterQueue cq", result, message)]


def test_a_job_without_a_queue_asks_nothing() -> None:
    owner = {"kind": "Job", "metadata": {}, "spec": {"template": {"metadata": {}}}}
    assert check_kueue(pytest.fail, "ns", [owner], [(POD, 1)]) == []


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ({}, [IS_THERE]),
        (
            {"/apis": {"groups": []}},
            [("Kueue", ERROR, f"is not installed ({API} is not served), but the values name a queue of it")],
        ),
        ({"/apis": None}, [IS_THERE]),
        ({LOCAL: {}}, [("LocalQueue q", ERROR, "is not in the namespace; the job would wait for it")]),
        ({LOCAL: None}, [("LocalQueue q", UNKNOWN, "no permission to get it")]),
        (
            {LOCAL: {"spec": {"clusterQueue": "cq", "stopPolicy": "HoldAndDrain"}}},
            [("LocalQueue q", WARNING, "is stopped (stopPolicy HoldAndDrain); the job would wait")],
        ),
        (
            {LOCAL: {"status": {"conditions": [{"type": "Active", "status": "False", "message": "Can't submit"}]}}},
            [("LocalQueue q", WARNING, "is not active (Can't submit); the job would wait")],
        ),
        ({CLUSTER: None}, of_cluster(UNKNOWN, "no permission to get it; its quota is not checked")),
        ({CLUSTER: {}}, of_cluster(ERROR, "does not exist; the job would wait for it")),
        (
            {CLUSTER: cluster_queue(stopPolicy="Hold")},
            of_cluster(WARNING, "is stopped (stopPolicy Hold); the job would wait"),
        ),
        (
            {CLUSTER: cluster_queue(namespaceSelector=None)},
            of_cluster(
                ERROR, "has no namespaceSelector, and so takes jobs of no namespace; the job would wait for ever"
            ),
        ),
        ({CLUSTER: limited_to(2)}, [IS_THERE]),
        (
            {CLUSTER: limited_to(1)},
            of_cluster(ERROR, "pods needed 2, quota 1: the job is larger than the queue, and would wait for ever"),
        ),
        (
            {CLUSTER: cluster_queue(gpu="3")},
            of_cluster(ERROR, "t/gpu needed 4, quota 3: the job is larger than the queue, and would wait for ever"),
        ),
        ({CLUSTER: cluster_queue(gpu="3", cohortName="all")}, [IS_THERE]),
        (
            {CLUSTER: cluster_queue(resourceGroups=[{"coveredResources": ["cpu"], "flavors": []}])},
            of_cluster(ERROR, "has no quota for t/gpu, which the job requests; Kueue does not admit it"),
        ),
    ],
)
def test_a_queue(objects: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert results(checks_of(objects)) == expected


@pytest.mark.parametrize(
    ("answer", "result", "message"),
    [
        ({"value": 3}, OK, "exists"),
        ({}, ERROR, "does not exist; Kueue would not admit the job"),
        (None, UNKNOWN, "no permission to get it"),
    ],
)
def test_a_priority_class(answer: Any, result: str, message: str) -> None:
    checks = checks_of({CLASS: answer}, priority="p")
    assert results(checks) == [IS_THERE, ("WorkloadPriorityClass p", result, message)]


def test_only_the_pods_with_the_label_count_for_the_queue() -> None:
    assert [check.result for check in checks_of({CLUSTER: cluster_queue(gpu="2")}, count=1)] == [OK]


def test_an_answer_of_another_form_is_an_error_in_a_sentence() -> None:
    with pytest.raises(ClusterError, match="malformed"):
        checks_of({CLUSTER: {"spec": {"resourceGroups": "none"}}})
