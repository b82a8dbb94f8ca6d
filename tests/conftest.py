"""In CI a test that is left out is a part that nobody checks: it counts as failed there."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# A busy machine may be slow: no example has a deadline, and none is given up because making it took long.
settings.register_profile("no clocks", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clocks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait for what has run beside the others come last."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # What is not run with an engine stands in docs/engines.md.
    if report.skipped and os.environ.get("CI") and item.get_closest_marker("engines") is None:
        report.outcome = "failed"
        report.longrepr = f"left out, which counts as failed in CI: {report.longrepr}"
    return report
