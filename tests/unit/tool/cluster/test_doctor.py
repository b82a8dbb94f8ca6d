"""`tfconfig doctor` against a cluster: what it asks, what it concludes, and what it exits with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.chart.helm import PROGRAM, merged, render
from tests.unit.lifecycle.fake import NAMESPACE, Document
from tests.unit.tool.cluster.kube import Kube
from tests.unit.tool.cluster.schemas import renamed_and_extended, validator
from tfconfig.cli import main
from tfconfig.cluster import helm

Doctor = Callable[..., Result]


class Answers:
    """What the API server answers to objects that are created or applied as a dry run."""

    def __init__(self) -> None:
        self.refused: Mapping[str, str] = {}  # kind -> message
        self.denied: set[tuple[str, str]] = set()  # verb and resource
        self.drops: set[str] = set()  # fields of pods that are dropped in silence

    def __call__(self, words: list[str], items: list[Document]) -> tuple[int, str, str]:
        kinds = {item["kind"] for item in items}
        if kinds == {"SelfSubjectAccessReview"}:
            return 0, "".join(json.dumps(self._reviewed(item)) + "\n" for item in items), ""
        assert "--dry-run=server" in words
        for kind, message in self.refused.items():
            if kind in kinds:
                return 1, "", f'Error from server (Forbidden): error when creating "STDIN": {message}\n'
        spec = {key: value for key, value in items[0].get("spec", {}).items() if key not in self.drops}
        return 0, json.dumps({**items[0], "spec": spec}), ""

    def _reviewed(self, review: Document) -> Document:
        asked = review["spec"]["resourceAttributes"]
        return {**review, "status": {"allowed": (asked["verb"], asked["resource"]) not in self.denied}}


@pytest.fixture
def answers(kube: Kube) -> Answers:
    """Everything is allowed and accepted, unless the test says otherwise."""
    kube.uninstall()
    storage_class = {"provisioner": "nfs.csi.k8s.io"}
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    kube.create("storageclasses", "nfs", storage_class, annotations=default)
    kube.create("nodes", "large", {"status": {"allocatable": {"cpu": "64", "memory": "256Gi"}}})
    allow = Answers()
    kube.feed = allow
    return allow


@pytest.fixture
def doctor(answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:  # noqa: ARG001
    """Runs it for values, with a helm that renders as the tests of the chart do."""
    monkeypatch.setattr(helm, "version", lambda: "v4.0.1")
    file = tmp_path / "values.yaml"

    def run(*words: str, **values: Any) -> Result:
        job = merged(PROGRAM, values)
        objects = render(job, release="digits", namespace=NAMESPACE).objects
        monkeypatch.setattr(helm, "template", lambda *_: objects)
        file.write_text(yaml.safe_dump(job))
        return CliRunner().invoke(main, ["doctor", "-f", str(file), "--release", "digits", *words])

    return run


PODS = {"chief", "worker", "ps", "lifecycle"}


def pods(message: str) -> set[str]:
    """Those that a check names, in the order in which Helm renders them."""
    return {word for word in message.replace(",", " ").replace(":", " ").split() if word in PODS}


def checks(result: Result) -> dict[str, tuple[str, str]]:
    """Check -> result and message, of -o json."""
    document = json.loads(result.stdout)
    schema = validator("doctor")
    assert [error.message for error in schema.iter_errors(document)] == []
    assert [place for place, changed in renamed_and_extended(document) if schema.is_valid(changed)] == []
    return {one["check"]: (one["result"], one["message"]) for one in document["checks"]}


def test_without_errors_it_exits_0_with_a_table(doctor: Doctor) -> None:
    result = doctor()
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["CHECK", "RESULT", "MESSAGE"]
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "Kubernetes", "Helm", "namespace", "permissions to install", "permissions to view", "objects", "pods", "quota",
        "CPU and memory", "claim digits-checkpoints",
    ]  # fmt: skip
    assert pods(lines[7]) == PODS
    assert lines[7].split()[1] == "ok"
    assert lines[7].endswith(": accepted")


def test_everything_that_is_wrong_is_reported_and_it_exits_1(kube: Kube, answers: Answers, doctor: Doctor) -> None:
    answers.refused = {"Pod": 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'}
    answers.denied = {("create", "rolebindings"), ("watch", "pods")}
    kube.create("resourcequotas", "small", {"spec": {"hard": {"pods": "4"}}})
    kube.create("nodes", "a", {"status": {"allocatable": {"nvidia.com/gpu": "1"}}})
    result = doctor(
        "-o",
        "json",
        worker={"gpus": 2},
        checkpoint={"storageClassName": "fast"},
        imagePullSecrets=[{"name": "pull"}],
    )
    assert result.exit_code == 1
    results = checks(result)
    assert results["permissions to install"] == ("error", "no permission to create rolebindings")
    assert results["permissions to view"] == ("warning", "no permission to watch pods")
    assert results["pods"][0] == "error"
    assert pods(results["pods"][1]) == PODS
    assert ': violates PodSecurity "restricted:latest": runAsNonRoot' in results["pods"][1]
    assert results["quota"] == ("error", "small: pods needed 5, used 0, limit 4")
    assert results["nvidia.com/gpu"] == ("error", "4 needed, 1 on eligible nodes; not all pods fit")
    assert results["claim digits-checkpoints"] == ("error", "storage class fast does not exist")
    assert results["Secret pull"] == ("error", "is not in the namespace; the pods would wait for it")


def test_what_the_user_has_no_permission_to_see_is_unknown(kube: Kube, doctor: Doctor) -> None:
    kube.forbid("list resourcequotas", "list nodes", "list storageclasses", "get secrets", "get namespaces")
    result = doctor("-o", "json", worker={"gpus": 1}, imagePullSecrets=[{"name": "pull"}])
    assert result.exit_code == 0
    results = checks(result)
    assert results["quota"] == ("unknown", "no permission to list resource quotas")
    assert results["nvidia.com/gpu"] == ("unknown", "2 needed; no permission to list nodes")
    assert results["claim digits-checkpoints"] == ("unknown", "no permission to list storage classes")
    assert results["Secret pull"] == ("unknown", "no permission to get it")


def test_what_exists_is_used(kube: Kube, doctor: Doctor) -> None:
    kube.create("persistentvolumeclaims", "digits-checkpoints", {"spec": {"accessModes": ["ReadWriteMany"]}})
    kube.create("secrets", "pull", {})
    one = {"persistentvolumeclaims": "1", "requests.storage": "10Gi"}
    kube.create("resourcequotas", "one", {"spec": {"hard": one}, "status": {"hard": one, "used": one}})
    kube.install("digits")
    results = checks(doctor("-o", "json", imagePullSecrets=[{"name": "pull"}]))
    assert results["claim digits-checkpoints"] == ("ok", "exists (Pending); the job uses it, with its checkpoints")
    assert results["Secret pull"] == ("ok", "exists")
    assert results["quota"] == ("ok", "the job fits into one")
    assert results["release"][0] == "warning"


def test_a_namespace_that_does_not_exist_ends_the_checks(doctor: Doctor) -> None:
    result = doctor("-o", "json", "-n", "no-such-team")
    assert result.exit_code == 1
    assert list(checks(result)) == ["Kubernetes", "Helm", "namespace"]


def test_values_with_errors_are_not_checked_further(doctor: Doctor, kube: Kube) -> None:
    before = kube.requests.total()
    result = doctor("--set", "worker.replicas=many")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "worker.replicas" in result.stderr
    assert kube.requests.total() == before


def test_a_cluster_that_does_not_answer_is_no_result(doctor: Doctor, kube: Kube) -> None:
    with kube.outage():
        result = doctor()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the cluster does not answer" in result.stderr


def test_a_queue_and_a_class_that_are_missing_are_errors(kube: Kube, doctor: Doctor) -> None:
    labels = {"kueue.x-k8s.io/queue-name": "nosuch", "kueue.x-k8s.io/priority-class": "high"}
    results = checks(doctor("-o", "json", podLabels=labels))
    assert results["Kueue"][0] == "error"
    kube.groups.append("kueue.x-k8s.io/v1beta2")
    result = doctor("-o", "json", podLabels=labels)
    results = checks(result)
    assert result.exit_code == 1
    assert results["LocalQueue nosuch"] == ("error", "is not in the namespace; the job would wait for it")
    assert results["WorkloadPriorityClass high"] == ("error", "does not exist; Kueue would not admit the job")
    kube.create("localqueues", "nosuch", {"spec": {"clusterQueue": "team"}})
    kube.create("workloadpriorityclasses", "high", {"value": 1})
    kube.forbid("get clusterqueues")
    result = doctor("-o", "json", podLabels=labels)
    results = checks(result)
    assert result.exit_code == 0
    assert results["LocalQueue nosuch"] == ("ok", "of ClusterQueue team")
    assert results["ClusterQueue team"] == ("unknown", "no permission to get it; its quota is not checked")
    assert results["WorkloadPriorityClass high"] == ("ok", "exists")


def test_a_group_that_the_api_server_drops_is_an_error(answers: Answers, doctor: Doctor) -> None:
    gang = {"scheduler": "Kubernetes"}
    assert checks(doctor("-o", "json", podGroup=gang))["gang scheduling"][0] == "ok"
    answers.drops.add("schedulingGroup")
    results = checks(doctor("-o", "json", podGroup=gang))
    assert results["gang scheduling"] == (
        "error",
        "the API server drops the PodGroup of pods: the tasks would start one by one",
    )
    assert "gang scheduling" not in checks(doctor("-o", "json"))
    answers.refused = {"Pod": 'unknown field "spec.schedulingGroup"'}
    assert "gang scheduling" not in checks(doctor("-o", "json", podGroup=gang)), "it was not tried"
