"""Devices that pods get through claims (dynamic resource allocation), as far as a job's own objects tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tfconfig.values.extra_objects import extra_objects
from tfconfig.values.role_settings import NO_DEVICE

_TEMPLATE, _CLAIM = "resourceClaimTemplateName", "resourceClaimName"


def claimed(data: Mapping[str, Any], pods: Iterable[tuple[Mapping[str, Any], int]]) -> tuple[int, int]:
    """The devices that all pods claim, and how many claims ask for nobody knows how many.

    A claim is known where extraObjects has it, or its template, as a map. Every pod gets a claim of its own from a
    template; a claim by name is one for all.
    """
    own = _own(data)
    devices, unknown = 0, 0
    shared: set[str] = set()
    for pod, count in pods:
        for entry in pod.get("resourceClaims") or ():
            template, name = entry.get(_TEMPLATE), str(entry.get(_CLAIM))
            if not template and name in shared:
                continue
            if not template:
                shared.add(name)
            times = count if template else 1
            number = own.get(("ResourceClaimTemplate", str(template)) if template else ("ResourceClaim", name))
            devices += (number or 0) * times
            unknown += times if number is None else 0
    return devices, unknown


def _own(data: Mapping[str, Any]) -> dict[tuple[str, str], int | None]:
    """Kind and name of each claim and template of the job's own -> its devices; None: not known."""
    known: dict[tuple[str, str], int | None] = {}
    for item in extra_objects(data):
        for document in item.objects:
            kind, metadata, spec = (document.get(key) for key in ("kind", "metadata", "spec"))
            if kind == "ResourceClaimTemplate" and isinstance(spec, Mapping):
                spec = spec.get("spec")
            if str(kind).startswith("ResourceClaim") and isinstance(metadata, Mapping):
                key = str(kind), str(metadata.get("name"))
                # Of two with one name nobody knows which one counts.
                known[key] = None if key in known else _devices(spec)
    return known


def _devices(spec: Any) -> int | None:
    """The devices that the spec of a claim asks for; None: not known before there is a cluster."""
    devices = spec.get("devices") if isinstance(spec, Mapping) else None
    requests = devices.get("requests") if isinstance(devices, Mapping) else None
    if not isinstance(requests, list):
        return None
    amounts = [_request(request) for request in requests]
    return None if None in amounts else sum(amount for amount in amounts if amount is not None)


def _request(request: Any) -> int | None:
    if not isinstance(request, Mapping):
        return None
    alternatives = request.get("firstAvailable")
    if alternatives:  # whichever is there: the largest
        amounts = [_request(alternative) for alternative in alternatives] if isinstance(alternatives, list) else [None]
        return None if None in amounts else max(amount for amount in amounts if amount is not None)
    exact = request.get("exactly", request)  # as resource.k8s.io/v1 writes it, and v1beta1
    if not isinstance(exact, Mapping) or exact.get("allocationMode", "ExactCount") != "ExactCount":
        return None
    count = exact.get("count", 1)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        return None
    return 0 if NO_DEVICE.search(str(exact.get("deviceClassName"))) else count
