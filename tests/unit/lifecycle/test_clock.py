"""Times are the API server's, whatever the clock of the lifecycle's own node says."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from tfconfig.tensorflow_job.lifecycle.server_clock import ServerClock

from .conftest import Install, Start
from .fake import Cluster


def heard(clock: ServerClock, server_time: float, took: float = 0.0) -> None:
    """An answer that came `took` seconds after the request, and whose Date is this."""
    now = time.monotonic()
    clock.heard(formatdate(server_time, usegmt=True), now - took, now)


def test_the_time_is_that_of_the_server() -> None:
    clock = ServerClock()
    assert clock.now() == pytest.approx(time.time(), abs=5)
    heard(clock, 1_000_000.0)
    assert clock.now() == pytest.approx(1_000_000.0, abs=5)


def test_answers_narrow_it_down_and_slow_ones_do_not_move_it() -> None:
    clock = ServerClock()
    heard(clock, 1_000_000.0)
    heard(clock, 1_000_000.0 - 20, took=60)
    assert clock.now() == pytest.approx(1_000_000.0, abs=5)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_server_whose_clock_was_set_is_followed(step: float) -> None:
    clock = ServerClock()
    heard(clock, 1_000_000.0)
    heard(clock, 1_000_000.0 + step)
    assert clock.now() == pytest.approx(1_000_000.0 + step, abs=5)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo"])
def test_an_answer_without_a_date_changes_nothing(date: str | None) -> None:
    clock = ServerClock()
    heard(clock, 1_000_000.0)
    clock.heard(date, time.monotonic(), time.monotonic())
    assert clock.now() == pytest.approx(1_000_000.0, abs=5)


def message(cluster: Cluster) -> str:
    return str(cluster.status().get("message"))


@pytest.mark.parametrize("ahead", [-91.0, -3600.0])
def test_a_pod_that_was_just_deleted_is_not_lost_though_the_lifecycles_clock_runs_ahead(
    install: Install, start: Start, ahead: float
) -> None:
    cluster, server = install(restart={"nodeLoss": "Replace", "nodeLossGraceSeconds": 30})
    cluster.ahead = ahead
    controller = start(server)
    cluster.phase("Running")
    cluster.change("pods", "j-ps-0", {"metadata": {"deletionTimestamp": cluster.now(30)}})
    cluster.until(lambda: "ps-0: its pod is being deleted" in message(cluster))
    assert cluster.deletes == []
    cluster.store("DELETED", "pods", cluster.get("pods", "j-ps-0"))
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_a_lost_pod_is_replaced_in_time_though_the_lifecycles_clock_runs_behind(install: Install, start: Start) -> None:
    cluster, server = install(restart={"nodeLoss": "Replace", "nodeLossGraceSeconds": 30})
    cluster.ahead = 3600
    controller = start(server)
    cluster.phase("Running")
    old = cluster.get("pods", "j-ps-0")["metadata"]["uid"]
    cluster.change("pods", "j-ps-0", {"metadata": {"deletionTimestamp": cluster.now(-40)}})
    cluster.until(lambda: old in cluster.deletes)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_the_times_of_the_status_are_the_servers(install: Install, start: Start) -> None:
    cluster, server = install()
    cluster.ahead = -7200
    controller = start(server)
    cluster.phase("Running")
    before, after = cluster.now(-60), cluster.now(60)
    assert before < cluster.status()["startTime"] < after
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
