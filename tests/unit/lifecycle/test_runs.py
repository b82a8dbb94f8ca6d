"""Whole runs of the real lifecycle, in a Kubernetes of fake.py."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tfconfig.tensorflow_job.lifecycle import kubernetes
from tfconfig.tensorflow_job.lifecycle.controller import TOLD, WRITE_SECONDS
from tfconfig.tensorflow_job.lifecycle.state import PHASES

from .conftest import Install, Start
from .fake import Cluster, RefusedError, now
from .harness import PACE


def pod_names(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.pods()}


def backoff_limit(cluster: Cluster) -> int:
    limit: int = cluster.get("jobs", "j-lifecycle-1")["spec"]["backoffLimit"]
    return limit


# --- ends ---------------------------------------------------------------------------------------------------------


def test_success_frees_everything_and_ends_with_0(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    assert len(pod_names(cluster)) == 5
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert pod_names(cluster) == set()
    assert [cluster.get("statefulsets", f"j-{role}")["spec"]["replicas"] for role in ("chief", "worker", "ps")] == [
        0
    ] * 3
    assert (cluster.status()["phase"], cluster.status()["freed"]) == ("Succeeded", True)
    assert backoff_limit(cluster) == 1000


def test_the_outcome_is_stored_before_the_first_pod_goes(install: Install, start: Start) -> None:
    cluster, server = install()
    seen: list[str] = []

    def look(verb: str, resource: str, _: str) -> None:
        if (verb, resource) == ("DELETE", "pods") or cluster.scaled[-1:] == [("j-chief", 0)]:
            seen.append(cluster.status()["phase"])

    cluster.refuse = look
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert set(seen) == {"Succeeded"}


def test_a_task_that_ended_is_deleted_before_its_set_is_scaled_and_with_a_short_grace(
    install: Install, start: Start
) -> None:
    cluster, server = install()
    order: list[tuple[str, str]] = []
    cluster.refuse = lambda verb, _, name: order.append((verb, name)) if verb in ("DELETE", "PATCH") else None
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert order.index(("DELETE", "j-chief-0")) < order.index(("PATCH", "j-chief"))
    assert cluster.graces["j-chief-0"] == 1
    assert cluster.graces.get("j-worker-0") is None  # may save something


def test_what_a_deletion_destroys_is_stored_before(
    install: Install, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.controller.WRITE_SECONDS", 1e6)
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    stored: list[int] = []
    cluster.refuse = lambda verb, *_: stored.append(cluster.status()["failures"]) if verb == "DELETE" else None

    def waits(pod: str, waiting: dict[str, str], last: dict[str, Any]) -> None:
        container = {"name": "tensorflow", "restartCount": 0, "state": {"waiting": waiting}, "lastState": last}
        cluster.change("pods", pod, {"status": {"containerStatuses": [container]}})

    waits("j-worker-1", {"reason": "ContainerCreating"}, {})
    cluster.phase("Restarting")
    crashed = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=tensorflow pod=p"}
    waits("j-worker-0", crashed, {"terminated": {"exitCode": 1, "finishedAt": None}})
    cluster.until(lambda: stored)
    assert stored == [1]  # no phase changed, no second had passed
    cluster.until(lambda: cluster.runs("j-worker-0"))
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_failure_frees_everything_and_fails_the_job_as_the_last_act(install: Install, start: Start) -> None:
    cluster, server = install(restart={"policy": "Never"})
    controller = start(server)
    cluster.phase("Running")
    assert backoff_limit(cluster) == 1000
    limits: list[tuple[int, set[str]]] = []
    cluster.refuse = lambda *_: limits.append((backoff_limit(cluster), pod_names(cluster)))
    cluster.exit("j-worker-1", 3)
    assert controller.ends() == 1
    assert limits[-1] == (1000, set())  # when the last request came
    assert backoff_limit(cluster) == 0
    status = cluster.status()
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "TaskFailed", 3)
    assert status["decidingTask"] == "worker-1"


def test_the_log_tells_the_story_and_ends_with_the_deciding_tasks_last_lines(install: Install, start: Start) -> None:
    cluster, server = install(restart={"backoffLimit": 1})
    cluster.scripts["j-chief-0"] = [1, 2]
    controller = start(server)
    assert controller.ends() == 1
    log = controller.log
    assert "Normal Pending: WaitingForTasks" in log
    assert "WARNING TaskFailed: chief-0 exited 1; failure 1 of 1 allowed" in log
    assert "Failed (BackoffLimitExceeded): chief-0 exited 2; 2 failures, restart.backoffLimit is 1" in log
    assert "decided by:  chief-0, exit status 2" in log
    assert "checkpoints: /checkpoints/j" in log
    assert "last line of j-chief-0" in log.splitlines()[-1]


def test_the_log_of_a_container_started_again_is_that_of_the_one_before(install: Install, start: Start) -> None:
    cluster, server = install()
    cluster.scripts["j-chief-0"] = [0]
    chief = start(server, death=2)  # dies when it has seen enough to scale; nobody watches the chief's end
    cluster.until(lambda: cluster.exits["j-chief-0"] == 1)
    chief.ends()
    parked = "j-chief-0"
    cluster.until(lambda: cluster.get("pods", parked)["status"]["containerStatuses"][0]["restartCount"] == 1)
    controller = start(server, pod="lifecycle-2")
    assert controller.ends() == 0
    assert "last line of j-chief-0 before" in controller.log


def test_the_last_lines_are_not_those_of_a_container_that_parks_already(install: Install, start: Start) -> None:
    """The kubelet has started it, and the API does not say so yet."""
    cluster, server = install()
    cluster.parked["j-chief-0"] = "tensorflow-job: chief-0 is done: its program exited 0. Nothing runs here\n"
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert "last line of j-chief-0 before" in controller.log
    assert "Nothing runs here" not in controller.log


def test_events_stand_on_the_job(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    events = [document for (resource, _), document in cluster.objects.items() if resource == "events"]
    job = cluster.get("jobs", "j-lifecycle-1")["metadata"]
    assert {event["involvedObject"]["uid"] for event in events} == {job["uid"]}
    assert [event["reason"] for event in events] == ["Pending", "Running", "Succeeded"]


def test_pods_that_are_kept_end_the_job_all_the_same(install: Install, start: Start) -> None:
    cluster, server = install(cleanup={"onFailure": "Keep"}, restart={"policy": "Never"})
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 1)
    assert controller.ends() == 1
    assert len(pod_names(cluster)) == 5


# --- a controller that dies ---------------------------------------------------------------------------------------


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


# --- fencing ------------------------------------------------------------------------------------------------------


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


# --- an API server in trouble -------------------------------------------------------------------------------------


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
    cluster, server = install(deadlines={"activeSeconds": 1})
    controller = start(server)
    cluster.phase("Running")
    cluster.refuse = lambda verb, resource, _: 503 if (verb, resource) == ("WATCH", "pods") else None
    cluster.cut()
    cluster.exit("j-chief-0", 0)
    begun = cluster.status()["startTime"]
    cluster.until(lambda: cluster.requests["WATCH pods"] > 3 and _age(begun) > 1.0)
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
    cluster.until(lambda: "worker-1" in cluster.status().get("seen", {}))  # that it was replaced
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


# --- size ---------------------------------------------------------------------------------------------------------


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
    assert controller.ends(20) == 0
    assert pod_names(cluster) == set()
    assert 0 < len(asked) <= kubernetes.DELETERS


def test_servers_are_asked_for_also_after_their_set_deleted_them(install: Install, start: Start) -> None:
    """Theirs is a shorter grace than the set's, with which they would outlast it here."""
    cluster, server = install(replicas={"chief": 1, "worker": 1, "ps": 40})
    asked: set[str] = set()

    def hold(verb: str, resource: str, name: str) -> None:
        if (verb, resource) != ("DELETE", "pods") or name == "j-chief-0":
            return
        if not asked:
            for pod in cluster.pods():
                if "-ps-" in pod["metadata"]["name"]:
                    pod["metadata"]["deletionTimestamp"] = now()
                    cluster.store("MODIFIED", "pods", pod)
            cluster.delete_pod("j-worker-0", force=True)  # seen after those
        asked.add(name)
        cluster.until(lambda: cluster.status()["roles"]["worker"]["running"] == 0)
        if "-ps-" in name:
            cluster.delete_pod(name, force=True)

    cluster.refuse = hold
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends(20) == 0
    assert {f"j-ps-{index}" for index in range(40)} <= asked


def test_a_thousand_pods_are_deleted_once_each_with_few_writes(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 989, "ps": 10})
    controller = start(server)
    cluster.until(lambda: cluster.status().get("phase") == "Running", seconds=20)
    assert cluster.requests["LIST pods"] <= 5
    cluster.exit("j-chief-0", 0)
    assert controller.ends(20) == 0
    assert pod_names(cluster) == set()
    assert 100 < len(cluster.deletes) == len(set(cluster.deletes)) <= 1000
    assert cluster.requests["LIST pods"] <= 5  # pages
    assert cluster.requests["PATCH statefulsets/scale"] == 5
    headlines = [(status["phase"], status.get("reason"), status["freed"]) for status in cluster.statuses]
    seconds = cluster.status_times[-1] - cluster.status_times[0]
    assert len(headlines) - len(set(headlines)) <= seconds / (PACE * 2 * WRITE_SECONDS)


def test_a_thousand_failures_are_told_in_a_few_events_and_counted_all(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 999})
    controller = start(server)
    cluster.until(lambda: cluster.status().get("phase") == "Running", seconds=20)
    with cluster.lock:
        for index in range(999):
            cluster.exit(f"j-worker-{index}", 1)
    cluster.until(lambda: cluster.status()["restarts"] == 999)
    assert cluster.status()["failures"] == 1
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends(20) == 0
    assert cluster.requests["POST events"] < 100


def test_failures_that_go_on_and_on_are_told_by_at_most_one_event_a_second(install: Install, start: Start) -> None:
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
    told = [event for event in events if event["reason"] not in PHASES]
    assert len(told) <= 2 * (TOLD + 1) + (time.monotonic() - began) / PACE
    cluster.exit("j-chief-0", 0)
    assert controller.ends(20) == 0
    assert "more like these" in controller.log


def test_progress_is_written_at_most_once_a_second(install: Install, start: Start) -> None:
    cluster, server = install(replicas={"chief": 1, "worker": 300})
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    pairs = zip(cluster.statuses, cluster.statuses[1:], cluster.status_times, cluster.status_times[1:], strict=False)
    for one, two, then, later in pairs:
        if (one["phase"], one.get("reason"), one["freed"]) == (two["phase"], two.get("reason"), two["freed"]):
            assert later - then >= WRITE_SECONDS * PACE


# --- what is waited for -------------------------------------------------------------------------------------------


def test_pods_refused_by_a_quota_are_explained(install: Install, start: Start) -> None:
    cluster, server = install()
    cluster.quota = "exceeded quota: gpus"
    controller = start(server)
    cluster.until(lambda: "exceeded quota: gpus" in cluster.status().get("message", ""))
    assert cluster.status()["phase"] == "Pending"
    cluster.quota = ""
    for role in ("chief", "worker", "ps"):  # its controller looks again
        cluster.change("statefulsets", f"j-{role}", {"metadata": {"labels": {"a": "b"}}})
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_a_claim_that_does_not_bind_is_explained(install: Install, start: Start) -> None:
    cluster, server = install()
    unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unbound}
    cluster.stuck["j-chief-0"] = {"phase": "Pending", "conditions": [condition]}
    cluster.create("persistentvolumeclaims", "j-checkpoints", {"spec": {}, "status": {"phase": "Pending"}})
    cluster.tell("PersistentVolumeClaim", "j-checkpoints", "FailedBinding", "no storage class is set")
    start(server)
    expected = f"{unbound}; claim j-checkpoints is Pending (storage class none): no storage class is set"
    cluster.until(lambda: expected in cluster.status().get("message", ""))


def test_a_pod_that_does_not_say_why_it_waits_is_explained_by_its_events(
    install: Install, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.observe.PUZZLING_SECONDS", 0.0)
    cluster, server = install()
    waiting = {"name": "tensorflow", "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}
    cluster.stuck["j-chief-0"] = {"phase": "Pending", "containerStatuses": [waiting]}
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
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    container = {"name": "tensorflow", "restartCount": 0, "state": {"waiting": waiting}}
    cluster.stuck["j-ps-1"] = {"phase": "Pending", "containerStatuses": [container]}
    controller = start(server)
    assert controller.ends() == 1
    assert cluster.status()["reason"] == "PodsCannotStart"
    assert "ps-1: ErrImagePull: no such image" in cluster.status()["message"]


# --- what the user changes ----------------------------------------------------------------------------------------


def test_suspend_frees_everything_and_resume_goes_on(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.annotate(suspend="true")
    cluster.until(lambda: cluster.status()["message"] == "suspended; nothing is held")
    assert pod_names(cluster) == set()
    cluster.annotate(suspend="false")
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_a_new_run_takes_the_old_pods_down_first(install: Install, start: Start) -> None:
    cluster, server = install()
    first = start(server)
    cluster.phase("Running")
    old = {pod["metadata"]["uid"] for pod in cluster.pods()}
    with cluster.lock:
        cluster.job["runId"] = "r2"
        cluster.annotate(**{"run-id": "r2"})
    assert first.ends() == 143
    mixed: list[set[str]] = []

    def look(*_: str) -> None:
        mixed.append({pod["metadata"]["labels"]["tensorflow-job/run-id"] for pod in cluster.pods()})

    cluster.refuse = look
    path = Path(first.config) / "job.json"
    path.write_text(json.dumps(cluster.job))
    second = start(server, pod="lifecycle-2")
    cluster.until(lambda: cluster.status()["runId"] == "r2")
    cluster.phase("Running")
    assert {"r1", "r2"} not in mixed
    assert not old & {pod["metadata"]["uid"] for pod in cluster.pods()}
    cluster.exit("j-chief-0", 0)
    assert second.ends() == 0


def test_a_job_json_that_the_kubelet_brings_late_is_waited_for(install: Install, start: Start, tmp_path: Path) -> None:
    cluster, server = install()
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "job.json"
    file.write_text(json.dumps({**cluster.job, "runId": "r0"}))
    controller = start(server)
    cluster.until(lambda: "job.json is that of run r0; waiting for that of run r1" in controller.log)
    assert not cluster.requests
    file.write_text(json.dumps(cluster.job))
    cluster.phase("Running")


def test_limits_that_change_with_the_run_unchanged_are_taken_in(install: Install, start: Start, tmp_path: Path) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    assert cluster.status()["backoffLimit"] == 6
    new = tmp_path / "config" / "new"
    new.write_text(json.dumps({**cluster.job, "restart": {**cluster.job["restart"], "backoffLimit": 0}}))
    new.replace(tmp_path / "config" / "job.json")
    cluster.until(lambda: cluster.status()["backoffLimit"] == 0)
    cluster.exit("j-chief-0", 1)
    assert controller.ends() == 1


def test_a_set_sized_from_outside_is_brought_back(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.change("statefulsets", "j-worker", {"spec": {"replicas": 0}})
    cluster.phase("Restarting")
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0


def test_a_set_that_does_not_exist_is_lived_without(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.store("DELETED", "statefulsets", cluster.get("statefulsets", "j-ps"))
    for index in range(2):
        cluster.delete_pod(f"j-ps-{index}", force=True)
    cluster.phase("Restarting")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    with pytest.raises(RefusedError):
        cluster.get("statefulsets", "j-ps")
