"""Whether a node is one that the node affinity of a pod requires. Pure.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

Object = Mapping[str, Any]


class _Requirement(TypedDict):
    key: str
    operator: str


class Requirement(_Requirement, total=False):
    """What a term asks of a label or field."""

    values: list[str]


class Term(TypedDict, total=False):
    """One of the terms of which a node has to match one."""

    matchExpressions: list[Requirement]
    matchFields: list[Requirement]


class _NodeSelector(TypedDict, total=False):
    nodeSelectorTerms: list[Term]


class _NodeAffinity(TypedDict, total=False):
    requiredDuringSchedulingIgnoredDuringExecution: _NodeSelector


class Affinity(TypedDict, total=False):
    """The affinity of a pod, as far as it is read here."""

    nodeAffinity: _NodeAffinity


def required_by(pod: Object, node: Object) -> bool:
    """Whether one of the terms of the pod's affinity matches the node; true where it requires nothing."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_matches(term, node["metadata"]) for term in required.get("nodeSelectorTerms") or ())


def _matches(term: Object, metadata: Object) -> bool:
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    labels, fields = metadata.get("labels") or {}, {"metadata.name": metadata["name"]}
    met = [_meets(item, labels) for item in by_label] + [_meets(item, fields) for item in by_field]
    return bool(met) and all(met)  # an empty term matches no node


def _meets(requirement: Object, labels: Mapping[str, Any]) -> bool:
    operator, wanted = requirement["operator"], requirement.get("values") or []
    value = labels.get(requirement["key"])
    if operator in ("In", "NotIn"):
        return (value in wanted) is (operator == "In")
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) is (operator == "Exists")
    try:
        number, bound = int(value or ""), int(wanted[0])
    except (ValueError, IndexError):
        return False
    return number > bound if operator == "Gt" else number < bound
