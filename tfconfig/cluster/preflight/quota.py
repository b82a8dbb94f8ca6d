"""Whether the whole job fits into the ResourceQuotas of the namespace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check, Object, PodCounts
from tfconfig.cluster.preflight.permissions import RESOURCES
from tfconfig.values.pod_amounts import Amounts, pod_amounts
from tfconfig.values.quantity import Quantity, parse

# Of objects without an API group: quotas may count these under their plain names, too.
_PLAIN = {"ConfigMap", "PersistentVolumeClaim", "Secret", "Service"}
_PLAIN_AMOUNTS = ("cpu", "memory", "ephemeral-storage")  # the same for what pods request


def needs(pods: PodCounts, objects: Iterable[Object], default_class: str = "") -> Amounts:
    """What all pods and other objects count for, under the names that quotas use.

    `default_class`: the storage class of claims that name none.
    """
    total: dict[str, Quantity] = {}

    def add(name: str, amount: Quantity) -> None:
        total[name] = total.get(name, Quantity()) + amount

    for pod, count in pods:
        for kind in ("requests", "limits"):
            amounts = pod_amounts(pod["spec"], kind)
            for name, amount in amounts.items():
                add(f"{kind}.{name}", amount * count)
                if kind == "requests" and (name in _PLAIN_AMOUNTS or name.startswith("hugepages-")):
                    add(name, amount * count)
        for name in ("pods", "count/pods"):
            add(name, parse(count))
    for item in objects:
        kind = item["kind"]
        if kind in RESOURCES:  # others come from extraObjects
            group, plural = RESOURCES[kind]
            add(f"count/{plural}.{group}" if group else f"count/{plural}", parse(1))
            if kind in _PLAIN:
                add(plural, parse(1))
        if kind == "PersistentVolumeClaim":
            for name, amount in _of_claim(item.get("spec") or {}, default_class):
                add(name, amount)
    return total


def _of_claim(spec: Object, default_class: str) -> Iterator[tuple[str, Quantity]]:
    """What the storage of a claim counts for, in all and of its class."""
    size = parse(((spec.get("resources") or {}).get("requests") or {}).get("storage", 0))
    yield "requests.storage", size
    if storage_class := spec.get("storageClassName", default_class):
        yield f"{storage_class}.storageclass.storage.k8s.io/requests.storage", size
        yield f"{storage_class}.storageclass.storage.k8s.io/persistentvolumeclaims", parse(1)


def check_quotas(quotas: Sequence[Object] | None, needed: Amounts) -> list[Check]:
    """`quotas` None: no permission to list them. Those with scopes are not evaluated here."""
    if quotas is None:
        return [Check("quota", UNKNOWN, "no permission to list resource quotas", "see the result of the dry run")]
    checks = []
    for quota in quotas:
        name, spec = quota["metadata"]["name"], quota.get("spec", {})
        if spec.get("scopes") or spec.get("scopeSelector"):
            checks.append(Check("quota", UNKNOWN, f"{name} applies to some pods only; not evaluated"))
        else:
            checks += _exceeded(name, quota, needed)
    if checks:
        return checks
    names = ", ".join(quota["metadata"]["name"] for quota in quotas)
    return [Check("quota", OK, f"the job fits into {names}" if names else "none")]


def _exceeded(name: str, quota: Object, needed: Amounts) -> list[Check]:
    checks = []
    used = quota.get("status", {}).get("used") or {}
    for resource, hard in (quota.get("spec", {}).get("hard") or {}).items():
        if resource not in needed:
            continue
        amount, limit, taken = needed[resource], parse(hard), parse(used.get(resource, 0))
        if (taken + amount).nanos <= limit.nanos:
            continue
        message = f"{name}: {resource} needed {amount}, used {taken}, limit {limit}"
        if amount.nanos <= limit.nanos:
            fix = "wait until other jobs have ended, or have the quota raised"
            checks.append(Check("quota", WARNING, message, fix))
        else:
            checks.append(Check("quota", ERROR, message, "request less, or have the quota raised"))
    return checks
