"""The probe of the network: what is created is deleted, whatever happens, and each outcome has its check."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.helm import PROGRAM, render
from tfconfig.cluster import network_probe
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.preflight import network
from tfconfig.cluster.preflight.check import OK, UNKNOWN, WARNING
from tfconfig.cluster.preflight.owners import lifecycle_pod

Answer = Callable[[str, dict[str, Any]], tuple[int, str, str]]


class Cluster:
    """A kubectl that keeps what is created."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, exit_status: int = 0) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.seen: list[dict[str, Any]] = []
        self.exit_status, self.refuse, self.interrupt = exit_status, "", ""
        monkeypatch.setattr(Kubectl, "_run", lambda _, words, stdin="": self.run(words, stdin))

    def run(self, words: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
        if words[0] == "get":
            name = words[1].partition("?")[0].rpartition("/")[2]
            if self.interrupt and name.endswith(self.interrupt):
                raise KeyboardInterrupt
            container = {"name": "probe", "state": {"terminated": {"exitCode": self.exit_status}}}
            status = {"phase": "Running", "podIP": "192.0.2.7", "containerStatuses": [container]}
            pod = {"metadata": {"name": name, "uid": "u"}, "status": status}
            return subprocess.CompletedProcess(words, 0, json.dumps(pod), "")
        for item in json.loads(stdin)["items"]:
            if words[0] == "create" and self.refuse == item["kind"]:
                return subprocess.CompletedProcess(words, 1, "", f"Error from server (Forbidden): no {self.refuse}")
            self.seen.append(item)
            self.objects[item["metadata"]["name"]] = item
            if words[0] == "delete":
                del self.objects[item["metadata"]["name"]]
        return subprocess.CompletedProcess(words, 0, "", "")


@pytest.fixture(scope="module")
def lifecycle() -> dict[str, Any]:
    return lifecycle_pod(list(render(PROGRAM).all("Job")), "team")


@pytest.mark.parametrize(
    ("exit_status", "result", "text"),
    [
        (network.ENFORCED, OK, "enforced"),
        (network.NOT_ENFORCED, WARNING, "nothing enforces NetworkPolicies here"),
        (network.UNREACHABLE, UNKNOWN, "do not reach each other"),
        (127, UNKNOWN, "exit status 127"),
    ],
)
def test_each_outcome_has_a_check(
    monkeypatch: pytest.MonkeyPatch, lifecycle: dict[str, Any], exit_status: int, result: str, text: str
) -> None:
    cluster = Cluster(monkeypatch, exit_status)
    check = network_probe.probe(Kubectl("team"), lifecycle)
    assert (check.result, text in check.message) == (result, True)
    assert cluster.objects == {}


@pytest.mark.parametrize("kind", ["NetworkPolicy", "Pod"])
def test_without_permission_it_is_unknown_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, lifecycle: dict[str, Any], kind: str
) -> None:
    cluster = Cluster(monkeypatch)
    cluster.refuse = kind
    check = network_probe.probe(Kubectl("team"), lifecycle)
    assert (check.result, "(Forbidden)" in check.message) == (UNKNOWN, True)
    assert cluster.objects == {}


@pytest.mark.parametrize("pod", ["-listen", "-connect"])
def test_an_interrupt_leaves_nothing(monkeypatch: pytest.MonkeyPatch, lifecycle: dict[str, Any], pod: str) -> None:
    cluster = Cluster(monkeypatch)
    cluster.interrupt = pod
    with pytest.raises(KeyboardInterrupt):
        network_probe.probe(Kubectl("team"), lifecycle)
    assert cluster.seen
    assert cluster.objects == {}


def test_the_pods_are_no_job_s_and_have_no_permissions(
    monkeypatch: pytest.MonkeyPatch, lifecycle: dict[str, Any]
) -> None:
    cluster = Cluster(monkeypatch)
    network_probe.probe(Kubectl("team"), lifecycle)
    pods = [item for item in cluster.seen if item["kind"] == "Pod"]
    assert pods
    image = lifecycle["spec"]["containers"][0]["image"]
    for pod in pods:
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert "volumes" not in pod["spec"]
        assert not [
            label for label in pod["metadata"]["labels"] if "tensorflow-job" in label or "kubernetes.io" in label
        ]
        assert [container["image"] for container in pod["spec"]["containers"]] == [image]
