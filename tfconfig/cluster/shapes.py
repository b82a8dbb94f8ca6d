"""What comes from a cluster, checked against its type before anything reads it. Pure.

The API server holds its own fields to their types; status.json and job.json are texts that everybody with `edit` may
write, and what kubectl leads to need not be an API server.
"""

from __future__ import annotations

from collections.abc import Callable
from types import GenericAlias
from typing import Any, TypedDict

from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, conforming, parse_json
from tfconfig.tensorflow_job.task import contracts
from tfconfig.tensorflow_job.task.job_spec import parse_name
from tfconfig.tensorflow_job.task.ranges import parse_ranges

MAX_TASKS = 500_000  # of all roles together; the chart allows 100,000 of each


class _Metadata(TypedDict):
    name: str


class Metadata(_Metadata, total=False):
    """As far as the tool reads it; so are the types below."""

    namespace: str
    resourceVersion: str
    creationTimestamp: str
    deletionTimestamp: str
    labels: dict[str, str]
    annotations: dict[str, str]


class _Condition(TypedDict):
    type: str


class Condition(_Condition, total=False):
    """A condition of a pod or Job."""

    status: str
    reason: str
    message: str


class _Terminated(TypedDict):
    exitCode: int


class Terminated(_Terminated, total=False):
    """How a container ended."""

    reason: str
    message: str
    startedAt: str
    finishedAt: str
    containerID: str


class Waiting(TypedDict, total=False):
    """Why a container does not run."""

    reason: str
    message: str


class ContainerState(TypedDict, total=False):
    """What a container does, or did last."""

    running: dict[str, Any]
    waiting: Waiting
    terminated: Terminated


class _Named(TypedDict):
    name: str


class ContainerStatus(_Named, total=False):
    """A container of a pod."""

    state: ContainerState
    lastState: ContainerState
    restartCount: int
    containerID: str
    started: bool


class PodStatus(TypedDict, total=False):
    """The status of a pod."""

    phase: str
    reason: str
    message: str
    podIP: str
    conditions: list[Condition]
    containerStatuses: list[ContainerStatus]
    initContainerStatuses: list[ContainerStatus]


class PodSpec(TypedDict, total=False):
    """The spec of a pod."""

    nodeName: str
    containers: list[_Named]
    initContainers: list[_Named]


class JobStatus(TypedDict, total=False):
    """The status of a Job."""

    conditions: list[Condition]


class _PodMetadata(Metadata):
    uid: str


class _Item(TypedDict):
    metadata: Metadata


class _Pod(TypedDict):
    metadata: _PodMetadata


class Pod(_Pod, total=False):
    """A pod."""

    spec: PodSpec
    status: PodStatus


class ConfigMap(_Item, total=False):
    """A ConfigMap."""

    data: dict[str, str]


class Job(_Item, total=False):
    """A Kubernetes Job."""

    status: JobStatus


class _List(TypedDict):
    items: list[Any]


class Event(TypedDict):
    """An event of a watch."""

    type: str
    object: dict[str, Any]


TYPES: dict[str, Any] = {"pods": Pod, "configmaps": ConfigMap, "jobs": Job}  # of other resources: _Item


def item(resource: str, value: Any) -> dict[str, Any]:
    """An object of the API. Raises ShapeError."""
    checked: dict[str, Any] = conforming(value, TYPES.get(resource, _Item))
    return checked


def items(resource: str, answer: Any) -> list[dict[str, Any]]:
    """The objects of a list of the API. Raises ShapeError."""
    kind = GenericAlias(list, (TYPES.get(resource, _Item),))
    checked: list[dict[str, Any]] = conforming(conforming(answer, _List)["items"], kind, ("items",))
    return checked


def status(text: str) -> contracts.StatusDocument:
    """status.json. Raises ShapeError."""
    document: contracts.StatusDocument = conforming(parse_json(text), contracts.StatusDocument)
    for role, ranges in document.get("succeeded", {}).items():
        _parsed(parse_ranges, ranges, f"succeeded.{role}")
    if "progress" in document:
        _parsed(parse_name, document["progress"]["task"], "progress.task")
    return document


def job_spec(text: str) -> contracts.JobSpec:
    """job.json. Raises ShapeError."""
    document: contracts.JobSpec = conforming(parse_json(text), contracts.JobSpec)
    replicas = document["replicas"].values()
    if sum(replicas) > MAX_TASKS or any(count < 0 for count in replicas):
        raise ShapeError(f"replicas: no number of tasks from 0 to {MAX_TASKS}")
    return document


def _parsed(parser: Callable[[str], object], text: str, place: str) -> None:
    try:
        parser(text)
    except ValueError:
        raise ShapeError(f"{place}: unexpected text") from None
