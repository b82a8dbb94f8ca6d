"""`tfconfig doctor` with objects of the user's own (extraObjects): incomplete ones, and those with pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.tool.cluster.kube import Kube
from tests.unit.tool.cluster.test_doctor import PODS, Answers, Doctor, answers, checks, doctor, pods
from tfconfig.cluster.preflight import owners

__all__ = ["answers", "doctor"]  # fixtures

CONTAINERS = [{"name": "main", "image": "x:1"}]


def own(kind: str, **more: Any) -> dict[str, Any]:
    return {"own": {"apiVersion": "v1", "kind": kind, "metadata": {"name": "own"}, **more}}


@pytest.mark.parametrize(
    "extra",
    [
        own("Job", spec={"template": {"spec": {"containers": CONTAINERS}}}),
        own("Job", spec={"template": {"spec": {}}}),
        own("Deployment"),
        own("Deployment", spec={"template": {"spec": {"containers": CONTAINERS}}}),
        own("PersistentVolumeClaim", spec={"accessModes": ["ReadWriteOnce"]}),
        own("PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "1Gi"}}}),
        own("ConfigMap", data={"job.json": "hello"}),
        own("List", items=[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}]),
    ],
)
def test_what_an_object_of_the_user_leaves_out_is_for_the_dry_run(doctor: Doctor, extra: dict[str, Any]) -> None:
    result = doctor("-o", "json", extraObjects=extra)
    assert result.exit_code == 0, result.output
    assert checks(result)["objects"][0] == "ok"


def test_a_text_that_renders_to_no_object_is_reported(doctor: Doctor) -> None:
    result = doctor(extraObjects={"own": "hello"})
    assert result.exit_code == 2
    assert "helm renders what is no Kubernetes object, without kind or metadata.name; see extraObjects" in result.stderr


def test_every_pod_of_a_deployment_of_the_user_counts_and_it_is_named(doctor: Doctor, kube: Kube) -> None:
    kube.create("resourcequotas", "small", {"spec": {"hard": {"pods": "8"}}})
    template = {"spec": {"containers": [{**CONTAINERS[0], "resources": {"requests": {"cpu": "65"}}}]}}
    result = doctor("-o", "json", extraObjects=own("Deployment", spec={"replicas": 5, "template": template}))
    assert checks(result)["quota"] == ("error", "small: pods needed 10, used 0, limit 8")
    message = checks(result)["CPU and memory"][1]
    assert message.startswith("own requests cpu 65; the largest eligible node has cpu 64")
    assert "request less in own (extraObjects) resources.requests" in result.stdout


def test_a_role_whose_pods_are_accepted_and_fit_no_node_is_named(doctor: Doctor) -> None:
    result = doctor("-o", "json", worker={"resources": {"requests": {"cpu": "65"}}})
    assert checks(result)["CPU and memory"][1].startswith("worker requests cpu 65; the largest eligible node has")
    assert "request less in worker.resources.requests" in result.stdout


def test_the_roles_that_the_cluster_adds_containers_to_are_named(doctor: Doctor, answers: Answers, kube: Kube) -> None:
    def inject(words: list[str], items: list[dict[str, Any]]) -> tuple[int, str, str]:
        if items[0]["kind"] != "Pod":
            return answers(words, items)
        pod, containers = items[0], [*items[0]["spec"]["containers"], {"name": "istio-proxy"}]
        return 0, json.dumps({**pod, "spec": {**pod["spec"], "containers": containers}}), ""

    kube.feed = inject
    message = checks(doctor("-o", "json"))["injection"][1]
    assert pods(message) == PODS
    assert message.endswith(": the cluster adds istio-proxy")


def test_the_pod_of_the_lifecycle_is_not_that_of_another_job() -> None:
    labels = {"app.kubernetes.io/component": "lifecycle"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
    objects = [
        own("Job", spec={"template": {"spec": {"containers": CONTAINERS}}})["own"],
        {"kind": "Job", "metadata": {"name": "digits"}, "spec": {"template": template}},
    ]
    assert owners.lifecycle_pod(objects, "team")["metadata"]["generateName"] == "digits-"
