"""Why tasks wait, as the status says it."""

from __future__ import annotations

import pytest

from .conftest import Install, Start
from .pod_documents import container, unscheduled, waiting


def test_pods_refused_by_a_quota_are_explained(install: Install, start: Start) -> None:
    cluster, server = install()
    cluster.quota = "exceeded quota: gpus"
    controller = start(server)
    cluster.until(lambda: "exceeded quota: gpus" in cluster.status().get("message", ""))
    assert cluster.status()["phase"] == "Pending"
    cluster.admit_pods()
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_a_refusal_of_an_earlier_run_does_not_explain_this_one(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 1, "ps": 1})
    refusal = {"reason": "FailedCreate", "type": "Warning", "message": "exceeded quota"}
    refusal["lastTimestamp"] = "2020-01-01T00:00:00Z"
    cluster.create("events", "old", {**refusal, "involvedObject": {"kind": "StatefulSet", "name": "j-ps"}})
    start(server)
    cluster.phase("Running")
    cluster.store("DELETED", "statefulsets", cluster.get("statefulsets", "j-ps"))
    cluster.delete_pod("j-ps-0", force=True)  # nobody creates it again, and nobody says why
    cluster.until(lambda: cluster.requests["LIST events"] > 2)
    cluster.until(lambda: "ps-0: no pod yet" in cluster.status().get("message", ""))
    assert not any("exceeded quota" in status.get("message", "") for status in cluster.statuses)


def test_a_claim_that_does_not_bind_is_explained(install: Install, start: Start) -> None:
    cluster, server = install()
    unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    cluster.stuck["j-chief-0"] = {"phase": "Pending", "conditions": [unscheduled(unbound)]}
    cluster.create("persistentvolumeclaims", "j-checkpoints", {"spec": {}, "status": {"phase": "Pending"}})
    cluster.tell("PersistentVolumeClaim", "j-checkpoints", "FailedBinding", "no storage class is set")
    start(server)
    expected = f"{unbound}; claim j-checkpoints is Pending (storage class none): no storage class is set"
    cluster.until(lambda: expected in cluster.status().get("message", ""))


def test_a_pod_that_does_not_say_why_it_waits_is_explained_by_its_events(
    install: Install, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.explain.PUZZLING_SECONDS", 0.0)
    cluster, server = install()
    cluster.stuck["j-chief-0"] = {"phase": "Pending", "containerStatuses": [container(waiting("ContainerCreating"))]}
    cluster.tell("Pod", "j-ps-0", "FailedScheduling", "0/1 nodes are available")
    cluster.stuck["j-ps-0"] = cluster.stuck["j-chief-0"]  # by now it has a node
    cluster.tell("Pod", "j-chief-0", "FailedMount", 'secret "data" not found')
    start(server)
    expected = 'chief-0: FailedMount: secret "data" not found'
    cluster.until(lambda: expected in cluster.status().get("message", ""))
    asked, written = cluster.requests["LIST events"], len(cluster.statuses)
    cluster.until(lambda: cluster.requests["LIST events"] > asked + 2)
    assert all(expected in status["message"] for status in cluster.statuses[written:])
    assert "ps-0: ContainerCreating" in cluster.status()["message"]


def test_an_image_that_cannot_be_pulled_fails_the_run_in_kubernetes_words(install: Install, start: Start) -> None:
    cluster, server = install(deadlines={"unstartableSeconds": 0})
    refused = container(waiting("ErrImagePull", "no such image"))
    cluster.stuck["j-ps-1"] = {"phase": "Pending", "containerStatuses": [refused]}
    controller = start(server)
    assert controller.ends() == 1
    assert cluster.status()["reason"] == "PodsCannotStart"
    assert "ps-1: ErrImagePull: no such image" in cluster.status()["message"]


def test_what_the_queue_says_of_the_job_is_reported_once_for_all_tasks(install: Install, start: Start) -> None:
    cluster, server = install()
    for task in ("chief-0", "worker-0", "worker-1", "ps-0", "ps-1"):
        cluster.stuck[f"j-{task}"] = {"phase": "Pending", "conditions": [unscheduled("gates", "SchedulingGated")]}
    cluster.tell("Workload", "j-r0", "Pending", "of another run")
    cluster.tell("Workload", "j-r1", "Pending", "insufficient unused quota for cpu")
    start(server)
    expected = "all 5 tasks: SchedulingGated: gates: insufficient unused quota for cpu"
    cluster.until(lambda: cluster.status().get("message") == expected)
    with cluster.lock:
        for key in [key for key in cluster.objects if key[0] == "events"]:
            del cluster.objects[key]
    asked, written = cluster.requests["LIST events"], len(cluster.statuses)
    cluster.until(lambda: cluster.requests["LIST events"] > asked + 2)
    assert all(status["message"] == expected for status in cluster.statuses[written:]), "Kubernetes forgets Events"
