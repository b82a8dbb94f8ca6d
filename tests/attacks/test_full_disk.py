"""A program that fills the disk of its node: what the chart gives it to write to has a size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart import helm

OVERLAYS = sorted((helm.CHART.parent / "values").glob("*.yaml"))


def empty_dirs(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "emptyDir" in value:
            yield value
        for child in value.values():
            yield from empty_dirs(child)
    elif isinstance(value, list):
        for child in value:
            yield from empty_dirs(child)


@pytest.mark.parametrize("name", helm.ci_values())
def test_every_scratch_volume_of_a_job_has_a_limit(name: str) -> None:
    found = list(empty_dirs(helm.rendered_ci(name).objects))
    assert found
    assert [volume for volume in found if not volume["emptyDir"].get("sizeLimit")] == []


@pytest.mark.parametrize("file", OVERLAYS, ids=lambda file: str(file.name))
def test_every_scratch_volume_of_an_overlay_has_a_limit(file: Any) -> None:
    found = empty_dirs(yaml.safe_load(file.read_text("utf-8")))
    assert [volume for volume in found if not volume["emptyDir"].get("sizeLimit")] == []
