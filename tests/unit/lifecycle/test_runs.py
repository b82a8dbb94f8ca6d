"""Whole runs of the lifecycle against a Kubernetes that tests play (fake.py): how they end, and what users change."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import Install, Start
from .fake import Cluster, RefusedError
from .harness import backoff_limit, pod_names
from .pod_documents import back_off, container, waiting

# --- ends -------------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr("tfconfig.tensorflow_job.lifecycle.status_store.WRITE_SECONDS", 1e6)
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    stored: list[int] = []
    cluster.refuse = lambda verb, *_: stored.append(cluster.status()["failures"]) if verb == "DELETE" else None

    def becomes(pod: str, status: dict[str, Any]) -> None:
        cluster.change("pods", pod, {"status": {"containerStatuses": [status]}})

    becomes("j-worker-1", container(waiting("ContainerCreating")))
    cluster.phase("Restarting")
    crashed = waiting("CrashLoopBackOff", back_off("40s"))
    becomes("j-worker-0", container(crashed, {"exitCode": 1, "finishedAt": None}))
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


@pytest.mark.parametrize("counted", [0, 2])
def test_a_failing_job_may_have_had_the_failures_that_it_has_had(install: Install, start: Start, counted: int) -> None:
    """With a lower limit Kubernetes would delete the pod that fails the Job, and its log with it."""
    cluster, server = install(restart={"policy": "Never"})
    failures = {"failed": counted, "uncountedTerminatedPods": {"failed": ["uid-1"] * counted}}
    cluster.change("jobs", "j-lifecycle-1", {"status": failures})
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-worker-1", 3)
    assert controller.ends() == 1
    assert backoff_limit(cluster) == 2 * counted


def test_the_log_tells_the_story_and_ends_with_the_deciding_tasks_last_lines(install: Install, start: Start) -> None:
    cluster, server = install(restart={"backoffLimit": 1})
    cluster.scripts["j-chief-0"] = [1, 2]
    cluster.quota = "exceeded quota"
    controller = start(server)
    cluster.phase("Pending")
    cluster.admit_pods()
    assert controller.ends() == 1
    log = controller.log
    assert "Normal Pending: WaitingForTasks" in log
    assert "WARNING TaskFailed: chief-0 exited 1; failure 1 of 1 allowed" in log
    assert "Failed (BackoffLimitExceeded): chief-0 exited 2; 2 failures, restart.backoffLimit is 1" in log
    assert log.count("chief-0 exited 2") == 1, "told once"
    assert re.search(r"\ntook:        \d+ s, until 20\S+Z\n", log)
    assert "decided by:  chief-0, exit status 2" in log
    assert "checkpoints: /checkpoints/j" in log
    assert "last line of j-chief-0" in log.splitlines()[-1]


def test_a_progress_bar_and_noise_at_the_end_do_not_hide_the_reason(install: Install, start: Start) -> None:
    cluster, server = install(restart={"policy": "Never"})
    traceback = "Traceback (most recent call last):\n  File x\nRuntimeError: THE REASON\n"
    noise = "2026-11-28 16:00:00.123456: W tensorflow/core/x.cc:1] aborting\n"
    cluster.outputs["j-worker-1"] = ("\b" * 80 + "\r" + "=" * 80) * 2000 + "\n" + traceback + noise * 50
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-worker-1", 1, traceback)
    assert controller.ends() == 1
    assert "  RuntimeError: THE REASON\n" in controller.log
    assert cluster.status()["message"].endswith("does not restart it: RuntimeError: THE REASON")


def test_the_reason_is_stored_before_any_pod_is_asked_to_go(install: Install, start: Start) -> None:
    """Peers may take their whole grace period to save; who waits for the job is told at once."""
    cluster, server = install(restart={"policy": "Never"})
    cluster.outputs["j-worker-1"] = "step 7\nNo space left on device\nDiskFull\n"
    stored: list[tuple[str, str]] = []

    def look(verb: str, *_: object) -> None:
        if verb == "DELETE":
            stored.append((cluster.status()["lastLine"], cluster.status()["hint"]))

    controller = start(server)
    cluster.phase("Running")
    cluster.refuse = look
    cluster.exit("j-worker-1", 1)
    assert controller.ends() == 1
    line, hint = stored[0]
    assert line == "DiskFull"
    assert hint.startswith("a volume is full")
    events = [event["message"] for (kind, _), event in cluster.objects.items() if kind == "events"]
    assert events[-1] == "TaskFailed: worker-1 exited 1; restart.policy Never does not restart it: DiskFull"
    assert controller.log.endswith("last lines of worker-1:\n  step 7\n  No space left on device\n  DiskFull\n")
    assert controller.log.count("decided by:") == 1


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


@pytest.mark.parametrize("printed", ["tensorflow-job: chief-0 is done: its program exited 0. Nothing runs here\n", ""])
def test_the_last_lines_are_not_those_of_a_container_that_parks_already(
    install: Install, start: Start, printed: str
) -> None:
    """The kubelet has started it, and the API does not say so yet; it may have printed nothing yet."""
    cluster, server = install()
    cluster.parked["j-chief-0"] = printed
    controller = start(server)
    cluster.phase("Running")
    cluster.refuse = lambda *_: show_restarts(cluster, "j-chief-0", 0)
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert "last line of j-chief-0 before" in controller.log
    assert "Nothing runs here" not in controller.log


def test_the_last_lines_are_not_those_of_a_container_that_started_while_they_were_read(
    install: Install, start: Start
) -> None:
    cluster, server = install(restart={"policy": "Never"})
    cluster.parked["j-chief-0"] = "tensorflow-job: chief-0 runs sh\n"
    controller = start(server)
    cluster.phase("Running")
    cluster.refuse = lambda *_: show_restarts(cluster, "j-chief-0", int(cluster.requests["GET pods/log"] > 0))
    cluster.exit("j-chief-0", 1)
    assert controller.ends() == 1
    assert "last line of j-chief-0 before" in controller.log
    assert "chief-0 runs sh" not in controller.log


def show_restarts(cluster: Cluster, name: str, count: int) -> None:
    """What the API says of a pod, whatever the kubelet has done by now."""
    document = cluster.objects.get(("pods", name))
    if document:
        document["status"]["containerStatuses"][0]["restartCount"] = count


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


def test_the_last_lines_of_pods_that_go_because_of_their_gpus_are_in_the_lifecycles_log(
    install: Install, start: Start
) -> None:
    cluster, server = install(cleanup={"onFailure": "Keep"}, restart={"policy": "Never"}, gpus={"worker": 1})
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 1)
    assert controller.ends() == 1
    assert not any("worker" in name for name in pod_names(cluster))
    assert any("chief" in name for name in pod_names(cluster))
    assert "last lines of worker-1, whose GPUs are freed:" in controller.log
    assert "last line of j-worker-1" in controller.log
    assert controller.log.rstrip().splitlines()[-1].strip().startswith("last line of j-chief-0")


# --- what the user changes --------------------------------------------------------------------------------------------


def test_suspend_frees_everything_and_resume_goes_on(install: Install, start: Start) -> None:
    cluster, server = install()
    controller = start(server)
    cluster.phase("Running")
    cluster.annotate(suspend="true")
    cluster.until(lambda: cluster.status()["message"] == "no pod is left")
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
    cluster.until(lambda: "waiting until this controller is named again" in first.log)
    first.client.dead = True
    first.client.close()
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
    [past] = cluster.status()["history"]
    assert (past["runId"], past["phase"]) == ("r1", "Replaced")
    assert past["message"] == "run r2 took its place while it was Running"
    assert past["record"]["startTime"] < past["completionTime"] <= cluster.status()["startTime"]
    assert [event["reason"] for event in past["record"]["events"]] == ["Pending", "Running"]
    cluster.exit("j-chief-0", 0)
    assert second.ends() == 0


def test_a_job_json_that_the_kubelet_brings_late_is_waited_for(install: Install, start: Start, tmp_path: Path) -> None:
    cluster, server = install()
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "job.json"
    file.write_text(json.dumps({**cluster.job, "runId": "r0"}))
    controller = start(server)
    cluster.until(lambda: "job.json is that of run r0; waiting for that of run r1" in controller.log)
    assert dict(cluster.requests) == {"GET configmaps": 1}  # whether it is named
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
