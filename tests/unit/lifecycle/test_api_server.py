"""The lifecycle while the API server is in trouble."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from .conftest import Install, Start
from .harness import pod_names


def test_an_outage_when_the_chief_ends_loses_nothing(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    with cluster.outage():
        cluster.exit("j-chief-0", 0)
        cluster.until(lambda: "cannot be watched" in controller.log)
    assert controller.ends() == 0
    assert cluster.status()["phase"] == "Succeeded"
    assert pod_names(cluster) == set()


def test_nothing_is_decided_while_the_pods_cannot_be_seen(install: Install, start: Start) -> None:
    cluster, server = install(deadlines={"activeSeconds": 8})  # long enough to be cut before, on a busy machine
    controller = start(server)
    cluster.phase("Running")
    cluster.refuse = lambda verb, resource, _: 503 if (verb, resource) == ("WATCH", "pods") else None
    cluster.cut()
    cluster.exit("j-chief-0", 0)
    begun = cluster.status()["startTime"]
    cluster.until(lambda: cluster.requests["WATCH pods"] > 3 and _age(begun) > 8.0)
    cluster.refuse = lambda *_: None
    assert controller.ends() == 0  # the exit is seen before the deadline is


def _age(time: str) -> float:
    return (datetime.now(timezone.utc) - datetime.fromisoformat(time.replace("Z", "+00:00"))).total_seconds()


def test_watches_that_break_are_resumed_without_a_new_list(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    for _ in range(3):
        watches = cluster.requests["WATCH pods"]
        cluster.cut()
        cluster.until(lambda watches=watches: cluster.requests["WATCH pods"] > watches)  # type: ignore[misc]
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert cluster.requests["LIST pods"] == 1


def test_410_gone_costs_one_list(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    with cluster.lock:
        cluster.delete_pod("j-worker-1", force=True)  # what happened meanwhile is in no watch any more
        cluster.expire()
    cluster.until(lambda: "worker-1" in cluster.status().get("handled", {}))  # that it was replaced
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert cluster.requests["LIST pods"] == 2


def test_pods_that_went_unseen_are_missed_after_410(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    with cluster.lock:
        cluster.quota = "none left"
        cluster.delete_pod("j-worker-1", force=True)
        cluster.expire()
    cluster.phase("Restarting")
    assert cluster.status()["roles"]["worker"]["running"] == 1
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_an_action_refused_does_not_end_the_run(install: Install, start: Start) -> None:
    cluster, server = install()
    refused = {("DELETE", "pods"), ("POST", "events"), ("GET", "pods")}
    cluster.refuse = lambda verb, resource, _: 403 if (verb, resource) in refused else None
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert pod_names(cluster) == set()  # the scale to 0 did it


@pytest.mark.parametrize("status", [409, 422, 429, 500])
def test_a_scale_refused_is_tried_again(install: Install, start: Start, status: int) -> None:
    cluster, server = install()
    refusals = iter(range(3))

    def refuse(verb: str, resource: str, _: str) -> int | None:
        return status if (verb, resource) == ("PATCH", "statefulsets") and next(refusals, None) is not None else None

    cluster.refuse = refuse
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
