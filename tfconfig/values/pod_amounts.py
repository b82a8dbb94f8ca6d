"""What pods count for: the requests and limits of their containers, added up as the scheduler does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tfconfig.values.quantity import Quantity, parse

Amounts = dict[str, Quantity]  # by the name of the resource: cpu, memory, nvidia.com/gpu


def pod_amounts(spec: Mapping[str, Any], kind: str) -> Amounts:
    """What a pod counts for: its containers together, or an init container and the sidecars before it if that is more.

    Resources of the pod as a whole stand for those of its containers, and its overhead is added; limits that nobody
    sets stay unlimited. `kind`: requests or limits.
    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    total = _containers(spec, kind)
    whole = spec.get("resources") or {}
    if kind == "requests":
        total = {**_parsed(whole.get("limits")), **total}
    total |= _parsed(whole.get(kind))
    overhead = _parsed(spec.get("overhead"))
    return summed([total, {name: amount for name, amount in overhead.items() if kind == "requests" or name in total}])


def _containers(spec: Mapping[str, Any], kind: str) -> Amounts:
    sidecars: Amounts = {}
    peaks: list[Amounts] = []
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars = summed([sidecars, _amounts(container, kind)])
            peaks.append(sidecars)
        else:
            peaks.append(summed([sidecars, _amounts(container, kind)]))
    together = summed([sidecars, *(_amounts(container, kind) for container in spec.get("containers") or [])])
    for peak in peaks:
        for name, amount in peak.items():
            if name not in together or amount.nanos > together[name].nanos:
                together[name] = amount
    return together


def _amounts(container: Mapping[str, Any], kind: str) -> Amounts:
    resources = container.get("resources") or {}
    amounts = dict(resources.get("limits") or {})
    if kind == "requests":  # without a request, Kubernetes uses the limit
        amounts |= resources.get("requests") or {}
    return _parsed(amounts)


def _parsed(amounts: Mapping[str, Any] | None) -> Amounts:
    return {name: parse(amount) for name, amount in (amounts or {}).items() if amount is not None}


def summed(amounts: Iterable[Amounts]) -> Amounts:
    """The amounts together, by the name of the resource."""
    total: Amounts = {}
    for item in amounts:
        for name, amount in item.items():
            total[name] = total.get(name, Quantity()) + amount
    return dict(sorted(total.items()))


def times(amounts: Amounts, count: int) -> Amounts:
    """The amounts of so many pods."""
    return {name: amount * count for name, amount in amounts.items()}
