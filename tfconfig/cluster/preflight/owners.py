"""The objects of a release that make pods, and how many each. Pure.

Those of `extraObjects` are the user's: what is missing in them is reported by the dry run of the objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

from tfconfig.cluster import shapes
from tfconfig.cluster.errors import ClusterError
from tfconfig.cluster.job_objects import COMPONENT_LABEL, LIFECYCLE
from tfconfig.cluster.kubectl import Object
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, conforming
from tfconfig.tensorflow_job.task.names import set_name

_COUNTS = {"Deployment": "replicas", "StatefulSet": "replicas", "Job": "parallelism"}  # kind -> its number of pods


class _Container(TypedDict):
    name: str


class _PodSpec(TypedDict):
    containers: list[_Container]


class _Template(TypedDict):
    spec: _PodSpec


class _OwnerSpec(TypedDict):
    template: _Template


class _Owner(TypedDict):
    spec: _OwnerSpec


class _Requests(TypedDict):
    storage: Any


class _Resources(TypedDict):
    requests: _Requests


class _ClaimSpec(TypedDict):
    accessModes: list[str]
    resources: _Resources


class _Claim(TypedDict):
    spec: _ClaimSpec


def complete(documents: Iterable[Any]) -> list[dict[str, Any]]:
    """The objects of rendered documents, those of lists too. Raises ClusterError for what is none."""
    return [item for document in documents for item in _objects(document)]


def owners(objects: Iterable[Object]) -> list[Object]:
    """The objects whose pods are known."""
    return [item for item in objects if item["kind"] in _COUNTS and _conforms(item, _Owner)]


def claims(objects: Iterable[Object]) -> list[Object]:
    """The claims that say what they ask for."""
    return [item for item in objects if item["kind"] == "PersistentVolumeClaim" and _conforms(item, _Claim)]


def pod_of(owner: Object, namespace: str) -> Object:
    """The pod that a StatefulSet, Deployment or Job would create."""
    template = owner["spec"]["template"]
    generated = {"generateName": f"{owner['metadata']['name']}-", "namespace": namespace}
    metadata = {**(template.get("metadata") or {}), **generated}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template["spec"])}


def lifecycle_pod(objects: Sequence[Object], namespace: str) -> Object:
    """The pod of the lifecycle among the objects of a release."""
    pods = (pod_of(item, namespace) for item in owners(objects) if item["kind"] == "Job")
    return next(pod for pod in pods if (pod["metadata"].get("labels") or {}).get(COMPONENT_LABEL) == LIFECYCLE)


def pod_counts(objects: Iterable[Object]) -> dict[str, int]:
    """Name of an owner -> its number of pods. Of a StatefulSet of the chart only job.json has it, for the lifecycle."""
    counts: dict[str, int] = {}
    for item in objects:
        number = (item.get("spec") or {}).get(_COUNTS[item["kind"]]) if item["kind"] in _COUNTS else None
        if isinstance(number, int):
            counts.setdefault(item["metadata"]["name"], number)
        text = (item.get("data") or {}).get("job.json") if item["kind"] == "ConfigMap" else None
        try:
            spec = shapes.job_spec(text) if text else None
        except ShapeError:  # the user's own file of this name
            continue
        if spec:
            counts.update({set_name(spec["name"], role): count for role, count in spec["replicas"].items()})
    return counts


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict) and str(document.get("kind")).endswith("List") and "items" in document:
        for item in document["items"] or ():
            yield from _objects(item)
        return
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    if not (isinstance(metadata, Mapping) and metadata.get("name") and document.get("kind")):
        raise ClusterError("helm renders what is no Kubernetes object, without kind or metadata.name; see extraObjects")
    yield document


def _conforms(item: Object, kind: Any) -> bool:
    try:
        conforming(item, kind)
    except ShapeError:
        return False
    return True
