"""A container that was added to the lifecycle's own pod: its Job would wait for it."""

from __future__ import annotations

import pytest

from .conftest import Install, Start
from .fake import Cluster


def own_pod(cluster: Cluster, *containers: str) -> None:
    spec = {"containers": [{"name": name} for name in containers], "initContainers": [{"name": "native"}]}
    cluster.create("pods", "lifecycle-1", {"spec": spec, "status": {}})


def messages(cluster: Cluster) -> list[str]:
    events = [document for (resource, _), document in cluster.objects.items() if resource == "events"]
    return [event["message"] for event in events if event["reason"] == "SidecarInLifecyclePod"]


@pytest.mark.parametrize(("containers", "events"), [(["lifecycle"], 0), (["istio-proxy", "lifecycle"], 1)])
def test_it_is_reported_by_name_before_anybody_waits(
    install: Install, start: Start, containers: list[str], events: int
) -> None:
    cluster, server = install()
    own_pod(cluster, *containers)
    controller = start(server)
    cluster.phase("Running")
    cluster.exit("j-chief-0", 0)
    assert controller.ends() == 0
    assert len(messages(cluster)) == events
    assert ("has the container istio-proxy: the Job completes only" in controller.log) == bool(events)
