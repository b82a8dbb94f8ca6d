"""Jobs in a queue: deadlines stand still meanwhile, and what a scheduler says is cut to its cause."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.lifecycle.pod_status import pod
from tfconfig.tensorflow_job.lifecycle.queues import (
    HAS_QUOTA,
    WAITS_FOR_GROUP,
    cause,
    clock_start,
    gate_text,
    queue_text,
)
from tfconfig.tensorflow_job.lifecycle.state import FAILED, PENDING, RESTARTING, RUNNING, SUSPENDED
from tfconfig.tensorflow_job.task.job_spec import tasks

from .pod_documents import document, unscheduled
from .story import OTHER, WORKER, Story

GATED = {"status": "Waiting", "reason": "SchedulingGated", "message": "in queue training of Kueue", "queued": True}
GROUP = {"status": "Waiting", "reason": "Unschedulable", "message": "pod group is not ready", "queued": True}
NO_NODE = {"status": "Waiting", "reason": "Unschedulable", "message": "0/1 nodes are available", "queued": False}
RUNS = {"status": "Running", "reason": "", "message": "", "queued": False}


def all_become(story: Story, **fields: Any) -> None:
    for task in tasks(story.job):
        story.change(task, **fields)


def queued(waiting: dict[str, Any] = GATED, **limits: Any) -> Story:
    """A job of two workers, both in a queue."""
    story = Story(a_job("Custom", worker=2, **limits))
    story.start()
    all_become(story, **waiting)
    assert story.look(0).phase == PENDING
    return story


@pytest.mark.parametrize("waiting", [GATED, GROUP])
@pytest.mark.parametrize("limits", [{"active": 100}, {"start": 100}])
def test_deadlines_stand_still_in_a_queue(waiting: dict[str, Any], limits: dict[str, int]) -> None:
    story = queued(waiting, **limits)
    assert story.look(1e6).phase == PENDING
    all_become(story, status="Waiting", reason="ContainerCreating", message="", queued=False)
    assert story.look(0).phase == PENDING
    assert story.look(99).phase == PENDING
    state = story.look(1)
    assert state.phase == FAILED
    assert "(100 s, not counting 11 d 13 h in a queue)" in state.message


@pytest.mark.parametrize("waiting", [GATED, GROUP])
def test_the_queue_counts_where_the_values_say_so(waiting: dict[str, Any]) -> None:
    story = queued(NO_NODE, start=100)
    story.job = changed(story.job, deadlines={"countQueuedTime": True})
    all_become(story, **waiting)
    assert story.look(99).phase == PENDING
    state = story.look(1)
    assert (state.phase, state.reason) == (FAILED, "StartDeadlineExceeded")
    assert waiting["message"] in state.message


def test_one_pod_of_a_group_tells_that_all_wait_for_it() -> None:
    """The coscheduling plugin names the group in the refusal of some pods only."""
    story = queued(NO_NODE, start=100)
    story.change(WORKER, **GROUP)
    story.look(0)
    assert story.look(1e6).phase == PENDING


@pytest.mark.parametrize("other", [NO_NODE, {"status": "Waiting", "reason": "ErrImagePull", "queued": False}])
def test_a_task_that_waits_for_anything_else_lets_the_clock_go_on(other: dict[str, Any]) -> None:
    story = queued(other, start=100, unstartable=None)
    if other is not NO_NODE:
        story.change(WORKER, **GATED)
    story.look(99)
    assert story.look(1).reason == "StartDeadlineExceeded"


def test_deadlines_stand_still_for_a_gang_of_volcanos_that_fits_in_part() -> None:
    """Volcano calls a pod that a node could take Schedulable, and names what is missing for one other."""
    story = queued(NO_NODE, start=100)
    possible = "Pod ns/digits-worker-0 can possibly be assigned to node-1, once minAvailable is satisfied"
    seen = pod("mnist", document({"conditions": [unscheduled(possible, "Schedulable")]}), 0.0)
    assert seen is not None
    story.change(WORKER, reason=seen.reason, message=seen.message, queued=seen.queued)
    assert story.look(0).message == "worker-0, worker-1: Unschedulable: 0/1 nodes are available"
    assert story.look(1e6).phase == PENDING


def test_a_task_without_a_pod_lets_the_clock_go_on() -> None:
    story = queued(start=100)
    del story.pods[OTHER]
    story.look(0)
    story.look(99)
    assert story.look(1).reason == "StartDeadlineExceeded"


def test_the_queue_after_a_preemption_does_not_count_either() -> None:
    story = Story.running(a_job("Custom", worker=2, active=100))
    assert story.look(50).phase == RUNNING
    all_become(story, **GATED)
    assert story.look(0).phase == RESTARTING
    story.look(1000)
    all_become(story, **RUNS)
    assert story.look(0).phase == RUNNING
    assert story.state.queued_seconds == 1000
    assert story.look(49).phase == RUNNING
    assert story.look(1).reason == "DeadlineExceeded"


def test_the_clock_of_deadlines_starts_after_the_time_in_the_queue() -> None:
    story = queued(active=100)
    assert clock_start(story.state) is None, "it stands still"
    story.look(1000)
    all_become(story, **RUNS)
    story.look(0)
    assert clock_start(story.state) == story.state.started + 1000


def test_a_resumption_starts_the_time_anew() -> None:
    story = queued(active=100)
    story.look(1000)
    story.suspend = True
    assert story.look(0).phase == SUSPENDED
    story.pods.clear()
    story.suspend = False
    story.look(1000)
    assert (story.state.queued_seconds, story.state.queued_since) == (0.0, None)
    story.start()
    assert story.look(99).phase == RUNNING
    assert story.look(1).reason == "DeadlineExceeded"


COSCHEDULING = (
    "0/1 nodes are available: 1 Insufficient engines.test/gpu. no new claims to deallocate, preemption: 0/1 nodes are "
    "available: 1 No preemption victims found for incoming pod., PodGroup ns/two gets rejected due to Pod two-ps-0 is "
    "unschedulable even after PostFilter"
)
NOT_READY = (
    "1/3 tasks in gang unschedulable: pod group is not ready, 3 Pending, 3 minAvailable; Pending: 1 Unschedulable, "
    "2 Schedulable"
)
CAUSE = "0/1 nodes are available: 1 Insufficient engines.test/gpu"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (COSCHEDULING, CAUSE),
        (f"{CAUSE}. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.", CAUSE),
        (f"{CAUSE}. no new claims to deallocate, preemption: not eligible", CAUSE),
        (CAUSE, CAUSE),
        (f"{NOT_READY}. Origin reason is two-ps-0: {CAUSE}", CAUSE),
        (NOT_READY, NOT_READY),
        ("optimistic rejection in PostFilter", WAITS_FOR_GROUP),
        ("PodGroup ns/two gets rejected due to Pod two-ps-0 is unschedulable even after PostFilter", WAITS_FOR_GROUP),
        ("pod has unbound immediate PersistentVolumeClaims.", "pod has unbound immediate PersistentVolumeClaims."),
        ("preemption: not eligible", "preemption: not eligible"),
        ("", ""),
    ],
)
def test_a_schedulers_message_is_cut_to_its_cause(message: str, text: str) -> None:
    assert cause(message) == text


def event(reason: str, message: str, kind: str = "Normal") -> dict[str, str]:
    return {"reason": reason, "message": message, "type": kind}


SHORT = event("Pending", "insufficient unused quota for cpu in flavor f, 2 more needed", "Warning")
PREEMPTED = event(
    "Preempted",
    "Preempted to accommodate a workload (UID: 5c, JobUID: 7d) due to prioritization in the ClusterQueue; "
    "preemptor path: /cq; preemptee path: /cq",
)
CHECKED = event("AdmissionCheckUpdated", "Admission check nodes updated state from Pending to Retry")
RETRIED = event("EvictedDueToAdmissionCheck", 'Evicted due to AdmissionCheck in Retry state: "nodes"')
GATE = event("AdmissionGated", "Workload admission is gated by: example.com/gate")
WHY_PREEMPTED = "Preempted to accommodate a workload due to prioritization in the ClusterQueue"


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([], ""),
        ([SHORT], SHORT["message"]),
        (
            [event("Pending", f"couldn't assign flavors to pod set c9fb: {SHORT['message']}", "Warning")],
            SHORT["message"],
        ),
        ([event("Pending", "something else", "Warning"), SHORT], SHORT["message"]),
        ([SHORT, event("QuotaReserved", "reserved"), event("Admitted", "admitted")], ""),
        ([SHORT, event("Admitted", "admitted"), PREEMPTED], WHY_PREEMPTED),
        ([PREEMPTED, SHORT], f"{WHY_PREEMPTED}; {SHORT['message']}"),
        ([event("Admitted", "admitted"), PREEMPTED, SHORT], f"{WHY_PREEMPTED}; {SHORT['message']}"),
        ([PREEMPTED, event("Admitted", "admitted"), SHORT], SHORT["message"]),
        (
            [event("EvictedDueToPodsReadyTimeout", "Exceeded the PodsReady timeout ns/j-a")],
            "Exceeded the PodsReady timeout ns/j-a",
        ),
        ([SHORT, event("QuotaReserved", "reserved")], HAS_QUOTA),
        ([SHORT, event("QuotaReserved", "reserved"), CHECKED], f"{HAS_QUOTA}: {CHECKED['message']}"),
        ([event("QuotaReserved", "reserved"), CHECKED, event("Admitted", "admitted")], ""),
        ([event("QuotaReserved", "reserved"), CHECKED, RETRIED], RETRIED["message"]),
        ([GATE], GATE["message"]),
        ([GATE, event("AdmissionGateCleared", "Admission gate cleared")], ""),
        ([event("PreemptedWorkload", "Preempted workload ns/other"), event("OwnerReferencesAdded", "Added 3")], ""),
    ],
)
def test_what_kueue_tells_of_a_workload(events: list[dict[str, str]], text: str) -> None:
    assert queue_text(events) == text


@pytest.mark.parametrize(
    ("gates", "labels", "text"),
    [
        (["kueue.x-k8s.io/admission"], {"kueue.x-k8s.io/queue-name": "training"}, "in queue training of Kueue"),
        (["kueue.x-k8s.io/admission", "a.b/c"], {}, "not admitted by Kueue"),
        (["a.b/c", "d"], {}, "held by scheduling gate a.b/c, d"),
        ([], {}, "Kubernetes' words"),
    ],
)
def test_what_a_gated_pod_waits_for(gates: list[str], labels: dict[str, str], text: str) -> None:
    assert gate_text({"schedulingGates": [{"name": gate} for gate in gates]}, labels, "Kubernetes' words") == text


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"schedulerName": "volcano"}, "scheduler volcano has said nothing about the pod yet; if that lasts, check"),
        ({"schedulerName": "volcano", "nodeName": "node-1"}, ""),
        ({"schedulerName": "default-scheduler"}, ""),
        ({}, ""),
    ],
)
def test_a_pod_that_its_scheduler_says_nothing_about(spec: dict[str, str], text: str) -> None:
    made = document({"phase": "Pending"})
    seen = pod("mnist", {**made, "spec": {"containers": [{"name": "tensorflow"}], **spec}}, 0.0)
    assert seen is not None
    assert seen.message.startswith(text)
    assert bool(seen.message) == bool(text)


def test_tasks_that_wait_for_the_same_are_reported_once() -> None:
    story = queued(NO_NODE)
    assert story.look().message == "worker-0, worker-1: Unschedulable: 0/1 nodes are available"
    story.change(OTHER, reason="Unschedulable", message=WAITS_FOR_GROUP, queued=True)
    assert story.look().message == "worker-0, worker-1: Unschedulable: 0/1 nodes are available"
    story = Story(a_job("Custom", worker=7, ps=1))
    story.start()
    all_become(story, **GATED)
    assert story.look().message == "all 8 tasks: SchedulingGated: in queue training of Kueue"
