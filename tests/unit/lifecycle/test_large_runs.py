"""The lifecycle of large jobs: few requests, few writes, few Events."""

from __future__ import annotations

import time

from tfconfig.tensorflow_job.lifecycle.deleter import CONNECTIONS
from tfconfig.tensorflow_job.lifecycle.events import MAX_EVENTS_PER_ROUND
from tfconfig.tensorflow_job.lifecycle.state import PHASES
from tfconfig.tensorflow_job.lifecycle.status_store import WRITE_SECONDS

from .conftest import Install, Start
from .harness import PACE, pod_names


def test_pods_that_their_sets_deleted_before_their_turn_are_not_asked_for(install: Install, start: Start) -> None:
    """The first requests are held until the StatefulSet's controller has deleted all workers, and that is seen."""
    cluster, server = install(replicas={"chief": 1, "worker": 40, "ps": 1})
    asked: list[str] = []

    def hold(verb: str, resource: str, name: str) -> None:
        if (verb, resource) == ("DELETE", "pods") and "-worker-" in name:
            asked.append(name)
            cluster.until(lambda: cluster.status()["roles"]["worker"]["running"] == 0)

    cluster.refuse = hold
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert pod_names(cluster) == set()
    assert 0 < len(asked) <= CONNECTIONS


def test_servers_are_asked_for_also_after_their_set_deleted_them(install: Install, start: Start) -> None:
    """Theirs is a shorter grace than the set's, with which they would outlast it here."""
    cluster, server = install(replicas={"chief": 1, "worker": 1, "ps": 40})
    asked: set[str] = set()

    def hold(verb: str, resource: str, name: str) -> None:
        if (verb, resource) == ("PATCH", "statefulsets") and not cluster.quota:  # before any set deletes by itself
            for pod in cluster.pods():
                if "-ps-" in pod["metadata"]["name"]:
                    pod["metadata"]["deletionTimestamp"] = cluster.now()
                    cluster.store("MODIFIED", "pods", pod)
            cluster.quota = "so that no set makes pods again"
            cluster.delete_pod("j-worker-0", force=True)  # seen after those
        if (verb, resource) == ("DELETE", "pods") and "-ps-" in name:
            asked.add(name)
            cluster.until(lambda: cluster.status()["roles"]["worker"]["running"] == 0)
            cluster.delete_pod(name, force=True)

    controller = start(server)
    cluster.phase("Running")
    cluster.refuse = hold
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert {f"j-ps-{index}" for index in range(40)} <= asked


def test_a_thousand_pods_are_deleted_once_each_with_few_writes(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 989, "ps": 10})
    controller = start(server)
    cluster.until(lambda: cluster.status().get("phase") == "Running")
    assert cluster.requests["LIST pods"] <= 5
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert pod_names(cluster) == set()
    assert 0 < len(cluster.deletes) == len(set(cluster.deletes)) <= 1000
    assert cluster.requests["LIST pods"] <= 5  # pages
    assert cluster.requests["PATCH statefulsets/scale"] == 5, cluster.scaled
    headlines = [(status["phase"], status.get("reason"), status["freed"]) for status in cluster.statuses]
    seconds = cluster.status_times[-1] - cluster.status_times[0]
    assert len(headlines) - len(set(headlines)) <= seconds / (PACE * 2 * WRITE_SECONDS)


def test_a_thousand_failures_are_reported_in_a_few_events_and_counted_all(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 999})
    controller = start(server)
    cluster.until(lambda: cluster.status().get("phase") == "Running")
    with cluster.lock:
        for index in range(999):
            cluster.exit(f"j-worker-{index}", 1)
    cluster.until(lambda: cluster.status()["restarts"] == 999)
    assert cluster.status()["failures"] == 1
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert cluster.requests["POST events"] < 100


def test_failures_that_go_on_and_on_are_reported_by_at_most_one_event_a_second(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 180}, restart={"backoffLimit": 1000})
    controller = start(server)
    cluster.phase("Running")
    began = time.monotonic()
    for few in range(0, 180, 9):
        with cluster.lock:
            for index in range(few, few + 9):
                cluster.exit(f"j-worker-{index}", 1)
        cluster.until(lambda few=few: cluster.status()["restarts"] == few + 9)  # type: ignore[misc]
    events = [document for (resource, _), document in cluster.objects.items() if resource == "events"]
    others = [event for event in events if event["reason"] not in PHASES]
    assert len(others) <= 2 * (MAX_EVENTS_PER_ROUND + 1) + (time.monotonic() - began) / PACE
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert "more like these" in controller.log


def test_progress_is_written_at_most_once_a_second(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 300})
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    pairs = zip(cluster.statuses, cluster.statuses[1:], cluster.status_times, cluster.status_times[1:], strict=False)
    for old, new, then, later in pairs:
        if (old["phase"], old.get("reason"), old["freed"]) == (new["phase"], new.get("reason"), new["freed"]):
            assert later - then >= WRITE_SECONDS * PACE
