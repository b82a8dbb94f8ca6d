"""Controllers that die, and controllers that another one replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Install, Start
from .harness import backoff_limit, pod_names

# --- a controller that dies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("limit", [6, 0], ids=["succeeds", "fails"])
def test_a_controller_killed_at_any_write_is_resumed(
    install: Install, start: Start, tmp_path: Path, limit: int, after: bool
) -> None:
    death = 1
    while True:
        cluster, server = install(restart={"backoffLimit": limit})
        cluster.scripts["j-chief-0"] = [1]
        first = start(server, death=death, after=after, folder=tmp_path / f"{death}")
        # A node keeps two exits, so the failure is seen by somebody before the next exit.
        cluster.until(lambda: cluster.status().get("failures") == 1 or first.client.dead)  # noqa: B023
        second = start(server, pod="lifecycle-2", folder=tmp_path / f"{death}") if first.client.dead else None
        cluster.until(lambda: cluster.status().get("failures") == 1)  # noqa: B023
        cluster.until(lambda: limit == 0 or cluster.runs("j-chief-0"))  # noqa: B023
        cluster.exit("j-chief-0", 0)
        if first.ends() is not None:
            break
        second = second or start(server, pod="lifecycle-2", folder=tmp_path / f"{death}")
        assert second.ends() == (1 if limit == 0 else 0), second.log
        status = cluster.status()
        assert (status["phase"], status["freed"]) == ("Failed" if limit == 0 else "Succeeded", True)
        assert (status["failures"], status["restarts"]) == (1, 1 if limit else 0)
        assert pod_names(cluster) == set()
        assert backoff_limit(cluster) == (0 if limit == 0 else 1000)
        assert all(cluster.deletes.count(uid) <= 2 for uid in cluster.deletes)  # once by each
        death += 1
    assert death > 10


def test_what_the_controller_before_wrote_last_is_taken_over(install: Install, start: Start) -> None:
    cluster, server = install()
    first = start(server)
    cluster.phase("Running")
    first.client.dead = True
    cluster.cut()
    first.ends()
    last = {**cluster.status(), "failures": 3}

    def write(verb: str, resource: str, _: str) -> None:  # after the new one has read, before it writes
        if (verb, resource) == ("PATCH", "jobs") and cluster.status()["failures"] == 0:
            cluster.change("configmaps", "j-status", {"data": {"status.json": json.dumps(last)}})

    cluster.refuse = write
    second = start(server, pod="lifecycle-2")
    cluster.until(lambda: cluster.get("configmaps", "j-status")["data"]["holder"] == "lifecycle-2")
    cluster.exit("j-chief-0", 0)
    assert second.ends() == 0
    assert cluster.status()["failures"] == 3


def test_state_that_was_erased_is_written_again(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.change("configmaps", "j-status", {"data": None})
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_stored_text_that_is_no_state_does_not_stop_the_run(install: Install, start: Start) -> None:
    cluster, server = install()
    cluster.change("configmaps", "j-status", {"data": {"status.json": '{"version": 99}'}})
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert "cannot be read" in controller.log


# --- fencing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notes", [{"controller": "j-lifecycle-2"}, {"run-id": "r2"}])
def test_a_controller_that_is_not_named_leaves_and_touches_nothing(
    install: Install, start: Start, notes: dict[str, str]
) -> None:
    cluster, server = install()
    cluster.annotate(**notes)
    controller = start(server)
    assert controller.ends() == 143
    assert not any(request.split()[0] in ("PATCH", "DELETE", "POST") for request in cluster.requests)


@pytest.mark.parametrize("notes", [{"controller": "j-lifecycle-2"}, {"run-id": "r2"}])
def test_a_controller_named_no_longer_leaves(install: Install, start: Start, notes: dict[str, str]) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    written = len(cluster.statuses)
    cluster.annotate(**notes)
    assert controller.ends() == 143
    assert len(cluster.statuses) == written
    assert len(pod_names(cluster)) == 5


def test_an_upgrade_in_the_moment_of_the_decision_wins(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")

    def upgrade(verb: str, resource: str, _: str) -> None:
        if (verb, resource) == ("PATCH", "configmaps"):
            cluster.annotate(**{"run-id": "r2", "controller": "j-lifecycle-2"})

    cluster.refuse = upgrade
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 143
    assert cluster.status()["phase"] == "Running"
    assert cluster.deletes == []


def test_a_conflict_with_helm_that_names_us_still_is_written_over(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    touched: list[str] = []

    def touch(verb: str, resource: str, name: str) -> None:
        if (verb, resource, touched) == ("PATCH", "configmaps", []):
            touched.append(name)
            cluster.change("configmaps", "j-status", {"metadata": {"labels": {"helm.sh/chart": "newer"}}})

    cluster.refuse = touch
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert touched


def test_of_two_pods_of_one_job_the_one_that_came_first_leaves(install: Install, start: Start) -> None:
    cluster, server = install()
    first = start(server, pod="on-a-lost-node")
    cluster.phase("Running")
    second = start(server, pod="its-replacement")
    assert first.ends() == 143
    assert "its-replacement" in first.log
    cluster.exit("j-chief-0", 0)
    assert second.ends() == 0


def test_a_pod_that_was_cut_off_learns_it_at_its_next_write(install: Install, start: Start) -> None:
    cluster, server = install()
    first = start(server)
    cluster.phase("Running")
    with cluster.lock:
        # The chief ends, and another pod of the Job writes, before the first hears of either.
        cluster.exit("j-chief-0", 0)
        cluster.change("configmaps", "j-status", {"data": {"holder": "another"}})
    assert first.ends() == 143
    assert cluster.status()["phase"] == "Running"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_to_write_the_status_that_stays_ends_with_143(install: Install, start: Start, status: int) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.refuse = lambda verb, resource, _: status if (verb, resource) == ("PATCH", "configmaps") else None
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 143
    assert cluster.deletes == []


def test_a_role_that_works_a_moment_late_is_waited_for(install: Install, start: Start) -> None:
    cluster, server = install()
    refusals = iter(range(5))
    cluster.refuse = lambda *_: 403 if next(refusals, None) is not None else None
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_a_status_configmap_that_is_gone_means_the_release_is(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.store("DELETED", "configmaps", cluster.get("configmaps", "j-status"))
    assert controller.ends() == 143
