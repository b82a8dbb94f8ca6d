"""Tests with an engine: it runs while they do, and what became of each is kept for the table of docs/engines.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hack.cluster.target import Target
from hack.engines_table import Row, keep, scenario_of, version_of


@contextmanager
def switched_on(cluster: Target, name: str) -> Iterator[Callable[[str], None]]:
    """Run a program of the kit until the end; the function puts it in another state. Leaves the test out elsewhere."""
    if not cluster.own:
        pytest.skip("only on the kit's cluster")
    cluster.kit(name, "on")
    yield lambda state: cluster.kit(name, state)
    cluster.kit(name, "off")


def keep_result(item: pytest.Item, report: pytest.TestReport) -> None:
    """Of a test with the marker `engines(NAME, MODULES, MODULE)`: the kit's folder in go/, and what it builds there.

    `engines(NAME)` where the kit does not build it: Kubernetes' own, or what KUBECONFIG's cluster has.
    """
    marker = item.get_closest_marker("engines")
    if marker is None or (report.when != "call" and report.passed):
        return
    name, *built = marker.args
    cluster: Target | None = getattr(item, "funcargs", {}).get("cluster")
    result: str = report.outcome
    if report.skipped:
        result = str(report.longrepr[2]).removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "skipped"
    kubernetes = _kubernetes(cluster)
    row = Row(
        name, version_of(*built) if built else "", kubernetes, scenario_of(item.name), result, round(report.duration)
    )
    keep({item.nodeid: row})


def _kubernetes(cluster: Target | None) -> str:
    """The version of the cluster; "" where none was reached."""
    if cluster is None:
        return ""
    done = cluster.run("kubectl", "version", "-o", "json")
    answer = json.loads(done.stdout) if done.returncode == 0 else {}
    return str(answer.get("serverVersion", {}).get("gitVersion", "")).removeprefix("v")
