"""Gang scheduling by Kubernetes' own scheduler: what its pods wait for, and clusters that only seem to have it.

Messages and conditions are those of kube-scheduler 1.37.2, with and without its feature gate.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.lifecycle import pod_status
from tfconfig.tensorflow_job.lifecycle.gang import DROPPED, IGNORED
from tfconfig.tensorflow_job.lifecycle.queues import WAITS_FOR_GROUP
from tfconfig.tensorflow_job.lifecycle.state import PENDING, RESTARTING, RUNNING, Event, Pod

from .pod_documents import unscheduled
from .story import NOW, OTHER, PS, WORKER, Story

NO_NODE = "0/1 nodes are available: 1 Insufficient t/gpu."
SHORT = "minCount (3) cannot be satisfied: 1 scheduled, 1 remaining"
VICTIMS = "pod group preemption: No preemption victims found for incoming preemptor"
UNTHROTTLED = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."


def pod(message: str | None, group: str | None = "digits-a", node: str = "") -> Pod:
    """A pod as the scheduler leaves it; no message: it has not looked at the pod."""
    spec: dict[str, Any] = {"containers": [], "nodeName": node}
    if group:
        spec["schedulingGroup"] = {"podGroupName": group}
    document = {
        "metadata": {"name": "digits-worker-0", "uid": "u", "labels": {"tensorflow-job/role": "worker"}},
        "spec": spec,
        "status": {"phase": "Pending", "conditions": [] if message is None else [unscheduled(message)]},
    }
    seen = pod_status.pod("digits", document, NOW)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    ("message", "text", "queued"),
    [
        (NO_NODE, NO_NODE, False),
        (SHORT, WAITS_FOR_GROUP, True),
        (f"pod group is unschedulable, {SHORT}, {VICTIMS}", WAITS_FOR_GROUP, True),
        (f"{SHORT}, pod group preemption: found a placement for podgroup, preempting 3 victims", WAITS_FOR_GROUP, True),
        (f"{NO_NODE} {UNTHROTTLED}", NO_NODE.rstrip("."), False),
    ],
)
def test_what_the_scheduler_writes_into_a_pod(message: str, text: str, queued: bool) -> None:
    seen = pod(message)
    assert (seen.message, seen.queued, seen.group) == (text, queued, "digits-a")


def test_a_pod_that_the_scheduler_does_not_look_at_waits_for_its_group() -> None:
    assert pod(None).message == "waits for PodGroup digits-a, or for the other pods of it"
    assert (pod(None, group=None).message, pod(None, group=None).group) == ("", "")
    assert pod(None, node="node1").message == ""


def gang(**fields: Any) -> Story:
    """A job of two workers and a ps that are to start together; their pods are there, and wait."""
    story = Story(changed(a_job("ParameterServer", chief=0, worker=2, ps=1, start=100), gang=True))
    story.start()
    for task in (WORKER, OTHER, PS):
        story.change(
            task, status="Waiting", reason="Unschedulable", message=WAITS_FOR_GROUP, queued=True, group="digits-a"
        )
    story.change(PS, message=NO_NODE, queued=False, **fields)
    return story


def warnings(story: Story) -> list[str]:
    return [item.reason for item in story.actions if isinstance(item, Event) and item.type == "Warning"]


def test_a_group_that_waits_is_told_once_and_its_time_does_not_count() -> None:
    story = gang()
    assert story.look(0).message == f"worker-0, worker-1, ps-0: Unschedulable: {NO_NODE}"
    assert story.look(1e6).phase == PENDING
    assert warnings(story) == []


def test_a_group_that_the_api_server_dropped_is_reported_while_tasks_wait_and_when_all_run() -> None:
    story = gang(group="")
    assert story.look(0).message.endswith(f"; {DROPPED}")
    assert warnings(story) == ["NotStartedTogether"]
    story.look(1)
    assert warnings(story) == []
    for task in (WORKER, OTHER, PS):
        story.change(task, status="Running", reason="", message="", queued=False)
    state = story.look(1)
    assert (state.phase, state.message) == (RUNNING, f"all 3 tasks run or are done; {DROPPED}")


def test_a_scheduler_that_starts_some_of_a_group_is_reported() -> None:
    story = gang()
    for task in (WORKER, OTHER):
        story.change(task, status="Running", reason="", message="", queued=False)
    assert story.look(0).message == f"ps-0: Unschedulable: {NO_NODE}; {IGNORED}"
    assert warnings(story) == ["NotStartedTogether"]


def test_a_group_of_which_no_task_runs_was_not_started_apart() -> None:
    story = gang()
    for task in (WORKER, OTHER):
        story.change(task, message=NO_NODE, queued=False)
    assert story.look(0).message == f"worker-0, worker-1, ps-0: Unschedulable: {NO_NODE}"


def test_a_task_without_a_pod_yet_waits_for_no_node() -> None:
    story = gang()
    story.change(WORKER, status="Running", reason="", message="", queued=False)
    story.pods = {task: pod for task, pod in story.pods.items() if task == WORKER}
    assert story.look(0).message == "worker-1, ps-0: no pod yet"


def test_pods_of_a_group_that_get_their_nodes_one_after_the_other_are_not() -> None:
    story = gang()
    story.change(WORKER, reason="", message="", queued=False)
    story.look(0)
    story.change(WORKER, status="Running")
    assert IGNORED not in story.look(0).message, "worker-1 still has the message of before"
    assert warnings(story) == []


def test_a_single_task_may_wait_for_a_node_once_all_have_run() -> None:
    story = Story.running(changed(a_job("Custom", worker=2), gang=True))
    story.change(WORKER, group="digits-a")
    story.change(OTHER, group="digits-a", status="Waiting", reason="Unschedulable", message=NO_NODE)
    state = story.look(0)
    assert (state.phase, state.message) == (RESTARTING, f"worker-1: Unschedulable: {NO_NODE}")


def test_other_jobs_are_not_asked_for_a_group() -> None:
    story = gang(group="")
    story.job = changed(story.job, gang=False)
    assert story.look(0).message == f"worker-0, worker-1, ps-0: Unschedulable: {NO_NODE}"
