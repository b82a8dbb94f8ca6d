"""A training pod and a StatefulSet as the API shows them, in the terms of state.py. Pure.

How the kubelet writes exits and waiting: kubernetes/pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from sys import intern
from typing import Any

from ..task.job_spec import ROLES, Task
from ..task.messages import REACHED, WORKED
from ..task.names import CONTAINER, ROLE_LABEL, RUN_LABEL, set_name
from .error_lines import find
from .gang import group_name, group_text
from .queues import GATED, SCHEDULABLE, UNSCHEDULABLE, cause, gate_text, scheduler_text, waits_in_queue
from .state import RESTARTED_BESIDE, Exit, Pod, PodStatus, Set
from .text import shortened
from .timestamps import parse_time
from .usage import split_message

MAX_MESSAGE = 400  # characters kept of a message: a thousand pods times two exits times 4 KiB would be a lot
INIT_ATTEMPTS = 3
UNINFORMATIVE = ("", "ContainerCreating", "PodInitializing")  # reasons that say nothing of why a container waits
# Reasons of the container runtime that refused to start the container: containerd, CRI-O; Docker.
START_ERRORS = ("StartError", "ContainerCannotRun")
_CONDITIONS = (
    "PodScheduled",
    "DisruptionTarget",
    "AllContainersRestarting",
    "Ready",
    "ContainersReady",
    "PodReadyToStartContainers",
)
_BACKOFF = re.compile(r"back-off (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)? restarting failed container", re.IGNORECASE)


def pod(job_name: str, document: Mapping[str, Any], now: float) -> Pod | None:
    """A training pod as the state machine sees it; None for other pods. `now` stands in for times that are missing."""
    metadata, spec, status = document["metadata"], document.get("spec", {}), document.get("status", {})
    labels = metadata.get("labels", {})
    task = task_of(job_name, metadata["name"], labels.get(ROLE_LABEL, ""))
    if task is None:
        return None
    main = _container(status.get("containerStatuses"))
    state, before = main.get("state", {}), _exit(main.get("lastState", {}).get("terminated"), now)
    last, current = before, _exit(state.get("terminated"), now)
    waiting = state.get("waiting")
    if waiting is not None and _describes_last_start(main):
        last, current = None, before
    refused = current if current and current.reason in START_ERRORS else None
    conditions = {item["type"]: item for item in status.get("conditions") or () if item["type"] in _CONDITIONS}
    over = status.get("phase") in ("Failed", "Succeeded")
    pod_status: PodStatus = "Waiting"
    if state.get("running") is not None and not over:
        pod_status, reason, message = "Running", "", ""
    elif over or (current and waiting is None):
        pod_status, reason, message = "Terminated", status.get("reason", ""), status.get("message", "")
    else:
        reason, message = _why_waiting(spec, labels, status, waiting or {}, conditions)
    if refused and not over:  # it never ran: what it waits for is another image or command
        pod_status, reason, message = "Waiting", refused.reason, _start_error(refused.message)
    scheduled = conditions.get("PodScheduled", {})
    disruption = conditions.get("DisruptionTarget", {})
    disrupted = disruption.get("reason", "Disrupted") if disruption.get("status") == "True" else ""
    if conditions.get("AllContainersRestarting", {}).get("status") == "True":
        disrupted = disrupted or RESTARTED_BESIDE
    back_off = _BACKOFF.search(message) if reason == "CrashLoopBackOff" else None
    return Pod(
        task=task,
        uid=metadata["uid"],
        run_id=intern(labels.get(RUN_LABEL, "")),
        created=parse_time(metadata.get("creationTimestamp")) or now,
        status=pod_status,
        reason=intern(reason),
        message=shortened(message, MAX_MESSAGE),
        restarts=main.get("restartCount", 0),
        last=last,
        current=current,
        backoff=_duration(*back_off.groups("0")) if back_off else 0.0,
        deleted=parse_time(metadata.get("deletionTimestamp")),
        # A kubelet that rejects or evicts a whole pod writes Failed and its reason, with or without the condition.
        disrupted=intern(disrupted or (status.get("reason", "") if over else "")),
        node=intern(spec.get("nodeName", "")),
        ip=status.get("podIP", ""),
        unreachable=pod_status == "Running" and _node_is_not_ready(conditions),
        sandbox_since=_sandbox_since(conditions.get("PodReadyToStartContainers", {})),
        queued=scheduled.get("status") == "False"
        and waits_in_queue(scheduled.get("reason", ""), scheduled.get("message", "")),
        group=intern(group_name(spec)),
        probed=_probed(spec),
    )


def _node_is_not_ready(conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Kubernetes' node controller writes Ready False into the pods of a node that is NotReady, and nothing else."""
    ready, containers = conditions.get("Ready", {}), conditions.get("ContainersReady", {})
    gate = ready.get("reason") == "ReadinessGatesNotReady"
    return ready.get("status") == "False" and containers.get("status") == "True" and not gate


def _sandbox_since(condition: Mapping[str, Any]) -> float:
    """Kubernetes makes a pod a new sandbox where the old one ended, as with a restart of its node; no program can.

    The condition is there from Kubernetes 1.29 on.
    """
    if condition.get("status") == "False":
        return math.inf
    return parse_time(condition.get("lastTransitionTime")) or 0.0


def task_of(job_name: str, pod_name: str, role: str) -> Task | None:
    """The task whose pod has this name: `<job>-<role>-<index>`, as a StatefulSet makes it."""
    prefix = f"{set_name(job_name, role)}-"
    index = pod_name[len(prefix) :]
    if role not in ROLES or not pod_name.startswith(prefix) or not index.isdecimal():
        return None
    return Task(intern(role), int(index))


def size(document: Mapping[str, Any]) -> Set:
    """A StatefulSet's size."""
    status = document.get("status", {})
    return Set(
        desired=document["spec"].get("replicas", 1),
        current=status.get("replicas", 0),
        observed=status.get("observedGeneration", 0) >= document["metadata"].get("generation", 0),
    )


def _probed(spec: Mapping[str, Any]) -> bool:
    """Whether the kubelet stops the training container, with SIGTERM, when a probe fails."""
    main = _container(spec.get("containers"))
    return bool(main.get("livenessProbe") or main.get("startupProbe"))


def _duration(hours: str, minutes: str, secs: str) -> float:
    return int(hours) * 3600.0 + int(minutes) * 60 + int(secs)


def _container(statuses: Iterable[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return next((status for status in statuses or () if status["name"] == CONTAINER), {})


def _exit(terminated: Mapping[str, Any] | None, now: float) -> Exit | None:
    if terminated is None:
        return None
    message, used = split_message(terminated.get("message", ""))
    failed = terminated["exitCode"] and terminated.get("reason") not in START_ERRORS
    error = find(message.rstrip().split("\n")) if failed else None
    is_report = not terminated["exitCode"] and message.startswith(REACHED)  # parsed later; the kubelet keeps 4 KiB
    if message.rstrip().endswith(WORKED):
        message = f"{WORKED}\n{message}"
    return Exit(
        terminated["exitCode"],
        intern(terminated.get("reason", "")),
        message if is_report else message[:MAX_MESSAGE],
        parse_time(terminated.get("finishedAt")) or now,
        max(0.0, parse_time(terminated.get("startedAt")) or 0.0),
        error.text if error and error.sure else "",
        error.text if error else "",
        usage=used,
    )


def _start_error(message: str) -> str:
    """The runtime's words, the chain of its parts left out; the container's command is always that of `python`."""
    match = re.search(r'exec: "([^"]+)": .*', message)
    if not match:
        return message
    text = re.sub(r"(: unknown)+$", "", match.group().strip())
    return f"{text}; set `python` to a Python 3 of the image: python: [{match.group(1)}] is not in it or does not run"


def _describes_last_start(main: Mapping[str, Any]) -> bool:
    """Whether `lastState` of a waiting container is the end of container number restartCount, not of the one before.

    The kubelet moves `state` into `lastState` when it writes why it does not start the next one yet; then both are of
    the same container.
    """
    container = main.get("lastState", {}).get("terminated", {}).get("containerID", "")
    same = container and container == main.get("containerID", "")
    return bool(same) or main.get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"


def _why_waiting(
    spec: Mapping[str, Any],
    labels: Mapping[str, str],
    status: Mapping[str, Any],
    waiting: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
) -> tuple[str, str]:
    """Reason and message, in Kubernetes' words."""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        reason, message = scheduled.get("reason", ""), scheduled.get("message", "")
        if reason == GATED:
            return reason, gate_text(spec, labels, message)
        return UNSCHEDULABLE if reason == SCHEDULABLE else reason, cause(message)
    text = "" if scheduled else group_text(spec) or scheduler_text(spec)
    if text:
        return "", text
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in UNINFORMATIVE:
        sidecars = {init["name"] for init in spec.get("initContainers") or () if init.get("restartPolicy") == "Always"}
        for init in status.get("initContainerStatuses") or ():
            state = init.get("state", {})
            # A sidecar need not be ready, nor end; the next container starts once this one has started.
            over = init.get("started") if init["name"] in sidecars else state.get("terminated", {}).get("exitCode") == 0
            if not over:
                return _why_init(init, state)
    return (reason, message) if reason or message else (status.get("reason", ""), status.get("message", ""))


def _why_init(init: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[str, str]:
    """Why the first init container that is not done holds the pod up."""
    name, waiting = f"init container {init['name']}", state.get("waiting", {})
    ended = state.get("terminated") or init.get("lastState", {}).get("terminated") or {}
    failed = ended.get("exitCode", 0) != 0
    if failed:
        name += f" exited {ended['exitCode']}"
    # One that fails again and again runs for a moment in between, which is no progress.
    attempts = INIT_ATTEMPTS if "running" in state else 1
    if failed and (waiting.get("reason") == "CrashLoopBackOff" or init.get("restartCount", 0) >= attempts):
        message = waiting.get("message") or ended.get("message") or ""
        return "InitContainerFailed", ": ".join(filter(None, (name, message.strip())))
    if waiting.get("reason", "") not in UNINFORMATIVE:
        return waiting["reason"], f"{name}: {waiting.get('message', '')}"
    return "PodInitializing", name if failed else f"{name} {'runs' if 'running' in state else 'starts'}"
