"""How the API's objects become the words of the state machine; fragments as a 1.35 kubelet writes them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tfconfig.tensorflow_job.lifecycle import pod_status
from tfconfig.tensorflow_job.lifecycle.queues import WAITS_FOR_GROUP
from tfconfig.tensorflow_job.lifecycle.state import Exit, Pod, Usage
from tfconfig.tensorflow_job.task.job_spec import Task, dumps
from tfconfig.tensorflow_job.task.messages import REACHED, STOPPED, WORKED
from tfconfig.tensorflow_job.task.progress import MAX_METRICS, MAX_NAME

from .pod_documents import (
    ENDED,
    ENDED_SECONDS,
    NO_PYTHON,
    NOW,
    RUNNING,
    SAVED,
    SIDECAR,
    TRACEBACK,
    back_off,
    container,
    document,
    exited,
    init,
    terminated,
    unscheduled,
    waiting,
)

GANG = "pod group is not ready, 3 Pending, 3 minAvailable; Pending: 3 Unschedulable"
POSSIBLE = "Pod ns/digits-worker-0 can possibly be assigned to node-1, once minAvailable is satisfied"
PIPELINED = POSSIBLE.replace("once", "once resource is released and")
TIMED_OUT = "0/1 nodes are available: 1 rejected due to timeout after waiting 1m0s at plugin Coscheduling."


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "just made": ({"phase": "Pending"}, {"status": "Waiting"}),
    "no node has room": (
        {"phase": "Pending", "conditions": [unscheduled("0/3 nodes: no GPU")]},
        {"status": "Waiting", "reason": "Unschedulable", "message": "0/3 nodes: no GPU"},
    ),
    "scheduling gate": (
        {"conditions": [unscheduled("gates", "SchedulingGated")]},
        {"status": "Waiting", "reason": "SchedulingGated", "message": "gates", "queued": True},
    ),
    "a gang that waits": (
        {"conditions": [unscheduled(GANG)]},
        {"status": "Waiting", "reason": "Unschedulable", "message": GANG, "queued": True},
    ),
    "a gang of Volcano's that waits, a node would take this pod": (
        {"conditions": [unscheduled(POSSIBLE, "Schedulable")]},
        {"status": "Waiting", "reason": "Unschedulable", "message": WAITS_FOR_GROUP, "queued": True},
    ),
    "the same, once pods that are preempted are gone": (
        {"conditions": [unscheduled(PIPELINED)]},
        {"status": "Waiting", "reason": "Unschedulable", "message": WAITS_FOR_GROUP, "queued": True},
    ),
    "a group of the coscheduling plugin, whose last pod found no node in time": (
        {"conditions": [unscheduled("0/1 nodes are available: 1 rejection in Unreserve.")]},
        {"status": "Waiting", "reason": "Unschedulable", "message": WAITS_FOR_GROUP, "queued": True},
    ),
    "the pod of it whose time was over": (
        {"conditions": [unscheduled(TIMED_OUT)]},
        {"status": "Waiting", "reason": "Unschedulable", "message": WAITS_FOR_GROUP, "queued": True},
    ),
    "being made": (
        {"phase": "Pending", "containerStatuses": [container(waiting("ContainerCreating"))]},
        {"status": "Waiting", "reason": "ContainerCreating"},
    ),
    "bad image": (
        {"containerStatuses": [container(waiting("ErrImagePull", "manifest unknown"))]},
        {"status": "Waiting", "reason": "ErrImagePull", "message": "manifest unknown"},
    ),
    "missing secret": (
        {"containerStatuses": [container(waiting("CreateContainerConfigError", 'secret "s" not found'))]},
        {"status": "Waiting", "reason": "CreateContainerConfigError", "message": 'secret "s" not found'},
    ),
    "running": (
        {"phase": "Running", "containerStatuses": [SIDECAR, container(RUNNING)]},
        {"status": "Running"},
    ),
    "its node is not ready": (
        {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "conditions": [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}],
            "containerStatuses": [container(RUNNING)],
        },
        {"status": "Running", "ip": "10.0.0.7", "unreachable": True},
    ),
    "a sidecar is not ready": (
        {
            "phase": "Running",
            "conditions": [
                {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
                {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady"},
            ],
            "containerStatuses": [container(RUNNING)],
        },
        {"status": "Running"},
    ),
    "a readiness gate is closed": (
        {
            "phase": "Running",
            "conditions": [
                {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"},
                {"type": "ContainersReady", "status": "True"},
            ],
            "containerStatuses": [container(RUNNING)],
        },
        {"status": "Running"},
    ),
    "exited 0": (
        {"phase": "Running", "containerStatuses": [container({"terminated": terminated(0)})]},
        {"status": "Terminated", "current": exited(0)},
    ),
    "exited 0, and says what it used": (
        {
            "phase": "Running",
            "containerStatuses": [
                container({"terminated": terminated(0, message='reached: {}\nused: {"seconds":5,"cpuSeconds":2.5}\n')})
            ],
        },
        {
            "status": "Terminated",
            "current": replace(exited(0, message="reached: {}"), usage=Usage(5, cpu_seconds=2.5)),
        },
    ),
    "out of memory": (
        {"containerStatuses": [container({"terminated": terminated(137, reason="OOMKilled")})]},
        {"status": "Terminated", "current": exited(137, "OOMKilled")},
    ),
    "program that does not exist": (
        {
            "containerStatuses": [
                container({"terminated": terminated(128, reason="StartError", message="no such file")})
            ]
        },
        {
            "status": "Waiting",
            "reason": "StartError",
            "message": "no such file",
            "current": exited(128, "StartError", "no such file"),
        },
    ),
    "no python3, and its back-off": (
        {
            "containerStatuses": [
                container(
                    waiting("CrashLoopBackOff", "back-off 40s restarting failed container=tensorflow pod=p"),
                    terminated(128, reason="StartError", message=NO_PYTHON, startedAt="1970-01-01T00:00:00Z"),
                    2,
                )
            ]
        },
        {
            "status": "Waiting",
            "reason": "StartError",
            "message": 'exec: "python3": executable file not found in $PATH; set `python` to a Python 3 of the image: '
            "python: [python3] is not in it or does not run",
            "restarts": 2,
            "current": exited(128, "StartError", NO_PYTHON),
        },
    ),
    "failed after it had saved something": (
        {"containerStatuses": [container({"terminated": terminated(1, message=SAVED)})]},
        {
            "status": "Terminated",
            "current": Exit(1, "Error", f"{WORKED}\n{SAVED}", ENDED_SECONDS, 0.0, *["ValueError: x"] * 2),
        },
    ),
    "failed with a traceback": (
        {"containerStatuses": [container({"terminated": terminated(1, message=TRACEBACK, startedAt=ENDED)})]},
        {
            "status": "Terminated",
            "current": Exit(1, "Error", TRACEBACK, ENDED_SECONDS, ENDED_SECONDS, *["ValueError: bad shape"] * 2),
        },
    ),
    "runs again": (
        {"containerStatuses": [container(RUNNING, terminated(1), 1, containerID="containerd://1")]},
        {"status": "Running", "restarts": 1, "last": exited(1)},
    ),
    "exited twice": (
        {"containerStatuses": [container({"terminated": terminated(2, 1)}, terminated(1, 0), 1)]},
        {"status": "Terminated", "restarts": 1, "last": exited(1), "current": exited(2)},
    ),
    "waits for its third start: lastState is of the second": (
        {
            "containerStatuses": [
                container(
                    waiting("CrashLoopBackOff", back_off("20s")), terminated(2, 1), 1, containerID="containerd://1"
                )
            ]
        },
        {
            "status": "Waiting",
            "reason": "CrashLoopBackOff",
            "message": back_off("20s"),
            "restarts": 1,
            "current": exited(2),
            "backoff": 20.0,
        },
    ),
    "long back-off": (
        {"containerStatuses": [container(waiting("CrashLoopBackOff", back_off("2m40s")), terminated(2), 6)]},
        {
            "reason": "CrashLoopBackOff",
            "backoff": 160.0,
            "restarts": 6,
            "current": exited(2),
            "message": back_off("2m40s"),
        },
    ),
    "longest back-off": (
        {"containerStatuses": [container(waiting("CrashLoopBackOff", back_off("5m0s")), terminated(2), 9)]},
        {
            "reason": "CrashLoopBackOff",
            "backoff": 300.0,
            "restarts": 9,
            "current": exited(2),
            "message": back_off("5m0s"),
        },
    ),
    "new container made, not started yet: lastState is of the one before": (
        {"containerStatuses": [container(waiting(""), terminated(2, 0), 1, containerID="containerd://1")]},
        {"status": "Waiting", "restarts": 1, "last": exited(2)},
    ),
    "cannot start again: its image is gone": (
        {
            "containerStatuses": [
                container(waiting("ErrImageNeverPull", "not here"), terminated(1), 0, containerID="containerd://0")
            ]
        },
        {"status": "Waiting", "reason": "ErrImageNeverPull", "message": "not here", "current": exited(1)},
    ),
    "record of a container lost at a node's restart": (
        {
            "containerStatuses": [
                container(
                    waiting("ContainerCreating"),
                    {"exitCode": 137, "reason": "ContainerStatusUnknown", "finishedAt": None, "startedAt": None},
                    1,
                )
            ]
        },
        {
            "status": "Waiting",
            "reason": "ContainerCreating",
            "restarts": 1,
            "last": Exit(137, "ContainerStatusUnknown", "", NOW),
        },
    ),
    "image pull back-off is none of the container's": (
        {"containerStatuses": [container(waiting("ImagePullBackOff", 'Back-off pulling image "x"'))]},
        {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"', "backoff": 0.0},
    ),
    "init container runs": (
        init(RUNNING),
        {"status": "Waiting", "reason": "PodInitializing", "message": "init container fetch runs"},
    ),
    "init container is done": (
        init({"terminated": terminated(0)}, ready=True, started=False),
        {"status": "Waiting", "reason": "PodInitializing"},
    ),
    "sidecar has started, and is not ready": (
        init(RUNNING, name="mesh", started=True, ready=False),
        {"status": "Waiting", "reason": "PodInitializing"},
    ),
    "sidecar does not get through its startup probe": (
        init(RUNNING, name="mesh", started=False, ready=False),
        {"status": "Waiting", "reason": "PodInitializing", "message": "init container mesh runs"},
    ),
    "exited while a sidecar runs": (
        {
            "phase": "Running",
            "initContainerStatuses": [{**container(RUNNING), "name": "mesh", "started": True, "ready": True}],
            "containerStatuses": [container({"terminated": terminated(0)})],
        },
        {"status": "Terminated", "current": exited(0)},
    ),
    "runs while its sidecar has crashed": (
        {
            "phase": "Running",
            "initContainerStatuses": [
                {**container(waiting("CrashLoopBackOff"), terminated(1), 7), "name": "mesh", "started": False}
            ],
            "containerStatuses": [container(RUNNING)],
        },
        {"status": "Running"},
    ),
    "init container's image": (
        init(waiting("ErrImagePull", "manifest unknown")),
        {"status": "Waiting", "reason": "ErrImagePull", "message": "init container fetch: manifest unknown"},
    ),
    "init container failed once": (
        init({"terminated": terminated(3)}),
        {"status": "Waiting", "reason": "PodInitializing", "message": "init container fetch exited 3"},
    ),
    "init container failed twice": (
        init({"terminated": terminated(3)}, terminated(3), 1),
        {"status": "Waiting", "reason": "InitContainerFailed", "message": "init container fetch exited 3"},
    ),
    "init container that failed runs again": (
        init(RUNNING, terminated(3), 1),
        {"status": "Waiting", "reason": "PodInitializing", "message": "init container fetch exited 3"},
    ),
    "init container keeps failing": (
        init(waiting("CrashLoopBackOff", "back-off 10s restarting failed container=fetch"), terminated(3), 1),
        {
            "status": "Waiting",
            "reason": "InitContainerFailed",
            "message": "init container fetch exited 3: back-off 10s restarting failed container=fetch",
            "backoff": 0.0,
        },
    ),
    "init container that kept failing runs again": (
        init(RUNNING, terminated(3, message="no such bucket\n"), 3),
        {
            "status": "Waiting",
            "reason": "InitContainerFailed",
            "message": "init container fetch exited 3: no such bucket",
        },
    ),
    "evicted": (
        {"phase": "Failed", "reason": "Evicted", "message": "node was low on memory"},
        {"status": "Terminated", "reason": "Evicted", "message": "node was low on memory", "disrupted": "Evicted"},
    ),
    "preempted": (
        {
            "phase": "Running",
            "containerStatuses": [container(RUNNING)],
            "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}],
        },
        {"status": "Running", "disrupted": "PreemptionByScheduler"},
    ),
    "all its containers are restarted": (
        {
            "phase": "Running",
            "containerStatuses": [container({"terminated": terminated(143)})],
            "conditions": [
                {"type": "AllContainersRestarting", "status": "True", "reason": "RestartAllContainersStarted"}
            ],
        },
        {"status": "Terminated", "current": exited(143), "disrupted": "RestartingAllContainers"},
    ),
    "an eviction that was called off": (
        {
            "containerStatuses": [container(RUNNING)],
            "conditions": [{"type": "DisruptionTarget", "status": "False", "reason": "EvictionByEvictionAPI"}],
        },
        {"status": "Running", "disrupted": ""},
    ),
    "node shuts down": (
        {
            "phase": "Failed",
            "reason": "Terminated",
            "message": "Pod was terminated in response to imminent node shutdown.",
            "containerStatuses": [container({"terminated": terminated(143)})],
            "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}],
        },
        {
            "status": "Terminated",
            "reason": "Terminated",
            "message": "Pod was terminated in response to imminent node shutdown.",
            "current": exited(143),
            "disrupted": "TerminationByKubelet",
        },
    ),
    "refused by the kubelet": (
        {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no healthy GPU"},
        {
            "status": "Terminated",
            "reason": "UnexpectedAdmissionError",
            "message": "no healthy GPU",
            "disrupted": "UnexpectedAdmissionError",
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pod_as_the_state_machine_sees_it(case: str) -> None:
    status, expected = CASES[case]
    pod = pod_status.pod("mnist", document(status), NOW)
    assert pod is not None
    plain = Pod(Task("worker", 3), "u", "r1", ENDED_SECONDS - 27, node="node-7")
    values = {field.name: getattr(pod, field.name) for field in fields(Pod)}
    assert values == {field.name: expected.get(field.name, getattr(plain, field.name)) for field in fields(Pod)} | {
        "status": expected.get("status", pod.status)
    }


def test_of_a_success_all_that_it_reported_is_kept_and_of_other_messages_the_beginning() -> None:
    """It is parsed later: a program with many metrics reports more than the text of a message is worth."""
    metrics = {f"{number}-{'m' * (MAX_NAME - 2)}": 0.1234567890123 for number in range(MAX_METRICS)}
    report = f"{REACHED} {dumps({'checkpointEmpty': True, 'metrics': metrics, 'step': 3})}"
    assert len(report) > pod_status.MAX_MESSAGE
    assert message(0, report + '\nused: {"seconds":5}') == report
    assert message(1, report) == report[: pod_status.MAX_MESSAGE]
    assert message(0, STOPPED + "x" * 4000) == (STOPPED + "x" * 4000)[: pod_status.MAX_MESSAGE]


def message(code: int, text: str) -> str:
    status = {"containerStatuses": [container({"terminated": terminated(code, message=text)})]}
    pod = pod_status.pod("mnist", document(status), NOW)
    assert pod
    assert pod.current
    return pod.current.message
