"""Devices that pods claim: counted where the job's own objects describe the claim, else reported as unknown."""

from __future__ import annotations

from typing import Any

import pytest

from tfconfig.values.device_claims import claimed

TWO = {"exactly": {"deviceClassName": "gpu.example.com", "count": 2}}
FIVE = {"exactly": {"deviceClassName": "gpu.example.com", "count": 5}}


def spec(*requests: Any) -> dict[str, Any]:
    return {"devices": {"requests": list(requests)}}


def template(name: str, *requests: Any) -> dict[str, Any]:
    return {"kind": "ResourceClaimTemplate", "metadata": {"name": name}, "spec": {"spec": spec(*requests)}}


def claim(name: str, *requests: Any) -> dict[str, Any]:
    return {"kind": "ResourceClaim", "metadata": {"name": name}, "spec": spec(*requests)}


BY_TEMPLATE = {"name": "a", "resourceClaimTemplateName": "x"}
BY_NAME = {"name": "a", "resourceClaimName": "x"}


@pytest.mark.parametrize(
    ("entry", "objects", "devices", "unknown"),
    [
        (BY_TEMPLATE, [template("x", TWO)], 2 * 4, 0),
        (BY_TEMPLATE, [template("x", TWO, FIVE)], 7 * 4, 0),
        (BY_TEMPLATE, [template("x", {"firstAvailable": [{"deviceClassName": "g", "count": 1}, {"count": 4}]})], 16, 0),
        (BY_TEMPLATE, [template("x", {"exactly": {"deviceClassName": "g"}})], 4, 0),
        (BY_TEMPLATE, [template("x", {"exactly": {"deviceClassName": "rdma.example.com", "count": 3}})], 0, 0),
        (BY_TEMPLATE, [template("x", {"exactly": {"deviceClassName": "g", "allocationMode": "All"}})], 0, 4),
        (BY_TEMPLATE, [template("x", {"exactly": {"count": "8"}})], 0, 4),
        (BY_TEMPLATE, [template("x", {"exactly": {"count": -8}})], 0, 4),
        (BY_TEMPLATE, [template("x", TWO), template("x", FIVE)], 0, 4),
        (BY_TEMPLATE, [template("y", TWO), claim("x", TWO)], 0, 4),
        (BY_TEMPLATE, [{"kind": "List", "items": [template("x", TWO)]}], 8, 0),
        (BY_TEMPLATE, ["kind: ResourceClaimTemplate"], 0, 4),
        (BY_TEMPLATE, [{"kind": "ResourceClaimTemplate", "metadata": {"name": "x"}, "spec": "text"}], 0, 4),
        (BY_TEMPLATE, [], 0, 4),
        (BY_NAME, [claim("x", FIVE)], 5, 0),
        (BY_NAME, [], 0, 1),
    ],
)
def test_devices_of_claims(entry: dict[str, str], objects: list[Any], devices: int, unknown: int) -> None:
    data = {"extraObjects": {str(number): item for number, item in enumerate(objects)}}
    assert claimed(data, [({"resourceClaims": [entry]}, 3), ({"resourceClaims": [entry]}, 1), ({}, 9)]) == (
        devices,
        unknown,
    )
