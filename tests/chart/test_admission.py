"""What a namespace's quota and LimitRange ask of the pods that a job cannot do without."""

from __future__ import annotations

from tfconfig.values.quantity import parse

from .helm import PROGRAM, render


def test_the_lifecycle_passes_a_quota_on_limits_and_a_ratio_of_two() -> None:
    (container,) = render(PROGRAM).lifecycle()["containers"]
    resources = container["resources"]
    assert resources["limits"].keys() == resources["requests"].keys() == {"cpu", "memory"}
    for name, limit in resources["limits"].items():
        assert parse(limit).nanos <= 2 * parse(resources["requests"][name]).nanos
