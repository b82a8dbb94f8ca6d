"""What comes from a cluster, checked against its type before anything reads it. Pure.

The API server holds its own fields to their types; status.json and job.json are texts that everybody with `edit` may
write, and what kubectl leads to need not be an API server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypedDict

from tfconfig.cluster.node_affinity import Affinity
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, conforming, parse_json
from tfconfig.tensorflow_job.lifecycle.usage import is_plausible
from tfconfig.tensorflow_job.task import contracts
from tfconfig.tensorflow_job.task.job_spec import parse_name
from tfconfig.tensorflow_job.task.ranges import parse_ranges
from tfconfig.values import quantity

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


class Resources(TypedDict, total=False):
    """What a container asks for."""

    requests: dict[str, str]
    limits: dict[str, str]


class Container(_Named, total=False):
    """A container of a pod."""

    resources: Resources
    restartPolicy: str


class Toleration(TypedDict, total=False):
    """A toleration of a pod."""

    key: str
    operator: str
    value: str
    effect: str


class PodSpec(TypedDict, total=False):
    """The spec of a pod."""

    nodeName: str
    containers: list[Container]
    initContainers: list[Container]
    nodeSelector: dict[str, str]
    tolerations: list[Toleration]
    affinity: Affinity


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


class _NewSpec(TypedDict):
    containers: list[Container]


class _NewPod(TypedDict):
    spec: _NewSpec


class ConfigMap(_Item, total=False):
    """A ConfigMap."""

    data: dict[str, str]


class Job(_Item, total=False):
    """A Kubernetes Job."""

    status: JobStatus


class _Taint(TypedDict):
    key: str
    effect: str


class Taint(_Taint, total=False):
    """A taint of a node."""

    value: str


class NodeSpec(TypedDict, total=False):
    """The spec of a node."""

    unschedulable: bool
    taints: list[Taint]


class NodeStatus(TypedDict, total=False):
    """The status of a node."""

    allocatable: dict[str, str]


class Node(_Item, total=False):
    """A node."""

    spec: NodeSpec
    status: NodeStatus


class _StorageClass(_Item):
    provisioner: str


class QuotaSpec(TypedDict, total=False):
    """The spec of a ResourceQuota."""

    hard: dict[str, str]
    scopes: list[str]
    scopeSelector: dict[str, Any]


class QuotaStatus(TypedDict, total=False):
    """The status of a ResourceQuota."""

    used: dict[str, str]


class Quota(_Item, total=False):
    """A ResourceQuota."""

    spec: QuotaSpec
    status: QuotaStatus


class ClaimSpec(TypedDict, total=False):
    """The spec of a PersistentVolumeClaim."""

    accessModes: list[str]


class ClaimStatus(TypedDict, total=False):
    """The status of a PersistentVolumeClaim."""

    phase: str


class Claim(_Item, total=False):
    """A PersistentVolumeClaim."""

    spec: ClaimSpec
    status: ClaimStatus


class _ReviewStatus(TypedDict):
    allowed: bool


class Review(TypedDict):
    """The answer to an access review."""

    status: _ReviewStatus


class Version(TypedDict):
    """What an API server says of itself."""

    gitVersion: str


class _List(TypedDict):
    items: list[Any]


class Event(TypedDict):
    """An event of a watch."""

    type: str
    object: dict[str, Any]


TYPES: dict[str, Any] = {  # of other resources: _Item
    "pods": Pod,
    "configmaps": ConfigMap,
    "jobs": Job,
    "nodes": Node,
    "storageclasses": _StorageClass,
    "resourcequotas": Quota,
    "persistentvolumeclaims": Claim,
}


def item(resource: str, value: Any, place: tuple[str | int, ...] = ()) -> dict[str, Any]:
    """An object of the API. Raises ShapeError."""
    checked: dict[str, Any] = conforming(value, TYPES.get(resource, _Item), place)
    for amounts in _quantities(resource, checked):
        for name, amount in amounts.items():
            _parsed(quantity.parse, amount, ".".join(map(str, (*place, name))))
    return checked


def items(resource: str, answer: Any) -> list[dict[str, Any]]:
    """The objects of a list of the API. Raises ShapeError."""
    return [
        item(resource, document, ("items", index)) for index, document in enumerate(conforming(answer, _List)["items"])
    ]


def version(answer: Any) -> str:
    """The version of an API server. Raises ShapeError."""
    return str(conforming(answer, Version)["gitVersion"])


def reviews(answers: list[Any], count: int) -> list[bool]:
    """Whether each of so many access reviews allows what it asked. Raises ShapeError."""
    if len(answers) != count:
        raise ShapeError(f"{len(answers)} answers to {count} access reviews")
    return [bool(conforming(answer, Review)["status"]["allowed"]) for answer in answers]


def dry_run_pod(answers: list[Any]) -> dict[str, Any]:
    """The pod that a dry run would create. Raises ShapeError."""
    if len(answers) != 1:
        raise ShapeError(f"{len(answers)} pods instead of one")
    conforming(answers[0], _NewPod)
    return item("pods", {**answers[0], "metadata": {"name": "", "uid": ""}})  # it has none before it is created


def _quantities(resource: str, checked: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The maps of quantities in an object."""
    spec, status = checked.get("spec", {}), checked.get("status", {})
    if resource == "nodes":
        yield status.get("allocatable", {})
    elif resource == "resourcequotas":
        yield spec.get("hard", {})
        yield status.get("used", {})
    elif resource == "pods":
        for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
            resources = container.get("resources", {})
            yield resources.get("requests", {})
            yield resources.get("limits", {})


def status(text: str) -> contracts.StatusDocument:
    """status.json. Raises ShapeError."""
    document: contracts.StatusDocument = conforming(parse_json(text), contracts.StatusDocument)
    for role, ranges in document.get("succeeded", {}).items():
        _parsed(parse_ranges, ranges, f"succeeded.{role}")
    if "progress" in document:
        _parsed(parse_name, document["progress"]["task"], "progress.task")
    for task in document.get("slow", []):
        _parsed(parse_name, task, "slow")
    past = [run["record"].get("usage", {}) for run in document.get("history", []) if "record" in run]
    for usage in [document.get("usage", {}), *past]:
        for task, used in usage.items():
            _parsed(parse_name, task, "usage")
            if not is_plausible(used):
                raise ShapeError(f"usage.{task}: an amount that no container uses")
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
