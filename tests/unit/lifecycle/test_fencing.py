"""Controllers that die, and controllers that another one replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfconfig.tensorflow_job.lifecycle.decide import decide

from .conftest import Install, Start
from .fake import Cluster
from .harness import Controller, backoff_limit, pod_names

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


NAMED_ELSE = pytest.mark.parametrize("notes", [{"controller": "j-lifecycle-2"}, {"run-id": "r2"}])
NAMED = {"controller": "j-lifecycle-1", "run-id": "r1"}
WAITS = "waiting until this controller is named again"


def writes(cluster: Cluster) -> int:
    """How many requests there were that change something."""
    return sum(n for request, n in cluster.requests.items() if request.split()[0] in ("PATCH", "DELETE", "POST"))


def waits(cluster: Cluster, controller: Controller, looks: int = 3) -> None:
    """The controller looks now and then whether it is named, and does nothing else."""
    cluster.until(lambda: WAITS in controller.log)
    before, asked = writes(cluster), cluster.requests["GET configmaps"]
    cluster.until(lambda: cluster.requests["GET configmaps"] >= asked + looks)
    assert controller.code is None
    assert writes(cluster) == before


@NAMED_ELSE
def test_a_controller_that_is_not_named_waits_and_touches_nothing(
    install: Install, start: Start, notes: dict[str, str]
) -> None:
    cluster, server = install()
    cluster.annotate(**notes)
    controller = start(server)
    waits(cluster, controller)
    assert writes(cluster) == 0
    cluster.annotate(**NAMED)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


@NAMED_ELSE
def test_a_controller_named_no_longer_waits_and_goes_on_when_its_name_comes_back(
    install: Install, start: Start, notes: dict[str, str]
) -> None:
    """As after a suspend and a resume, where nothing removes the Job meanwhile."""
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    written = len(cluster.statuses)
    cluster.annotate(**notes)
    waits(cluster, controller)
    assert len(cluster.statuses) == written
    assert len(pod_names(cluster)) == 5
    cluster.annotate(**NAMED)
    cluster.until(lambda: "continuing from: run r1, Running" in controller.log)
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert pod_names(cluster) == set()


def test_a_new_pod_of_a_superseded_job_waits_although_it_finds_the_job_json_of_another_run(
    install: Install, start: Start, tmp_path: Path
) -> None:
    cluster, server = install()
    cluster.annotate(**{"controller": "j-lifecycle-2", "run-id": "r2"})
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "job.json").write_text(json.dumps({**cluster.job, "runId": "r2"}))
    waits(cluster, start(server))


def test_a_superseded_controller_ends_when_the_job_has_succeeded(install: Install, start: Start) -> None:
    cluster, server = install()
    cluster.annotate(controller="j-lifecycle-2")
    controller = start(server)
    waits(cluster, controller)
    over = {"version": 1, "runId": "r1", "phase": "Succeeded", "startTime": "2026-01-01T00:00:00Z", "freed": False}
    over.update(failures=0, backoffLimit=0, restarts=0, evaluatorFailed=False)
    cluster.change("configmaps", "j-status", {"data": {"status.json": json.dumps(over)}})
    waits(cluster, controller)
    cluster.change("configmaps", "j-status", {"data": {"status.json": json.dumps({**over, "freed": True})}})
    assert controller.ends() == 0


def test_after_a_failure_it_waits_to_be_deleted(install: Install, start: Start) -> None:
    """It may not change its Job any more, so Kubernetes would make pods of it for ever."""
    cluster, server = install()
    cluster.annotate(controller="j-lifecycle-2")
    over = {"version": 1, "runId": "r1", "phase": "Failed", "startTime": "2026-01-01T00:00:00Z", "freed": True}
    over.update(failures=0, backoffLimit=0, restarts=0, evaluatorFailed=False)
    cluster.change("configmaps", "j-status", {"data": {"status.json": json.dumps(over)}})
    waits(cluster, start(server))


def test_a_controller_that_waits_outlasts_an_outage(install: Install, start: Start) -> None:
    cluster, server = install()
    cluster.annotate(controller="j-lifecycle-2")
    controller = start(server)
    waits(cluster, controller)
    with cluster.outage():
        cluster.until(lambda: "the status cannot be read" in controller.log)
    cluster.annotate(**NAMED)
    cluster.phase("Running")


def test_a_controller_that_crashes_goes_on_in_its_pod(
    install: Install, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, server = install()
    bugs = iter(range(2))

    def read(*arguments: object) -> object:
        if next(bugs, None) is not None:
            raise KeyError("a bug")
        return decide(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.controller.decide", read)
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert controller.log.count("KeyError: 'a bug'") == 2


def test_a_controller_that_crashes_again_and_again_ends(
    install: Install, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, server = install()
    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.controller.decide", lambda *_: 1 // 0)
    assert start(server).ends() == 70


def test_an_upgrade_in_the_moment_of_the_decision_wins(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")

    def upgrade(verb: str, resource: str, _: str) -> None:
        if (verb, resource) == ("PATCH", "configmaps"):
            cluster.annotate(**{"run-id": "r2", "controller": "j-lifecycle-2"})

    cluster.refuse = upgrade
    cluster.exit("j-chief-0", 0)
    waits(cluster, controller)
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
