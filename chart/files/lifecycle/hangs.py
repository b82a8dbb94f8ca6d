"""Programs that hang on a peer whose node is gone. Pure.

Who sends something to such a peer gets an error within seconds. Who waits for its answer gets none before gRPC's next
ping (task/job_spec.py: 310 s), and is restarted instead. Not so who can go on: after a restart it would wait for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..task.contracts import JobSpec
from ..task.job_spec import Task, name, runs_server
from .state import Action, Delete, Event, Observation, Pod, State
from .training import is_running, training_pods

# A program that waits inside of TensorFlow does not see SIGTERM: no more than this of its grace.
GRACE_SECONDS = 15


def restarts(job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod]) -> list[Action]:
    """Delete the pods of the programs that hang; their StatefulSets start them again. `pods`: those of this run."""
    actions: list[Action] = []
    for pod, peer in _hanging(job, state, observation, pods):
        where = f", whose node {peer.node} does not answer" if peer.node else ", which is gone"
        actions.append(Event("Warning", "TaskRecreated", f"{name(pod.task)} waits for {name(peer.task)}{where}"))
        actions.append(Delete(pod.task, pod.uid, grace=GRACE_SECONDS))
    return actions


def _hanging(
    job: JobSpec, state: State, observation: Observation, pods: Mapping[Task, Pod]
) -> Iterator[tuple[Pod, Pod]]:
    """Programs, and the peer that each waits for."""
    if not observation.silent:
        return
    for pod in training_pods(job, state, pods):
        if pod.deleted is None and is_running(pod):
            for peer in observation.silent.get(pod.container, ()):
                if not _can_do_without(job, pod, peer, pods):
                    yield pod, peer
                    break


def _can_do_without(job: JobSpec, pod: Pod, peer: Pod, pods: Mapping[Task, Pod]) -> bool:
    """Whether this program goes on while that peer is gone."""
    strategy, role = job["strategy"], peer.task.role
    if role == "ps":
        return False
    coordinates = runs_server(job, role) or (strategy == "Custom" and pod.task.role == "chief")
    if role != "worker" or not coordinates:
        return True  # tasks that train side by side are connected, but ask each other nothing
    return strategy != "InGraph" and any(
        task.role == "worker" and task != peer.task and is_running(other) for task, other in pods.items()
    )
