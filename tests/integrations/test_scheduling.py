"""Gang scheduling: what the overlays ask of Kueue, Volcano and the coscheduling plugin is what these take.

The schemas in tests/chart/crds are those of the named releases, kept there so that the test needs no network. Kueue
makes its Workload itself, from labels and annotations: pkg/controller/jobs/pod of kubernetes-sigs/kueue v0.19.2 has
their names. A real Kueue runs in tests/cluster/test_kueue.py; that tasks behind any gate wait, and run when it opens,
is in tests/cluster/test_waiting.py.
"""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart import helm, kubernetes
from tests.chart.helm import merged, render

OVERLAYS = helm.CHART.parent / "values"
CRDS = helm.CHART.parent / "tests" / "chart" / "crds"
JOB = {**helm.PROGRAM, "worker": {"replicas": 3}, "evaluator": {"replicas": 1}}
TASKS = 6  # and a chief, and a parameter server


def overlay(name: str) -> helm.Values:
    values: helm.Values = yaml.safe_load((OVERLAYS / f"{name}.yaml").read_text("utf-8"))
    return values


def strict(schema: Any) -> Any:
    """The schema, without the fields that an API server drops in silence."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    return {"additionalProperties": False, **made} if isinstance(made.get("properties"), dict) else made


def accept(crd: str, item: helm.Object) -> None:
    """Raises jsonschema.ValidationError unless the API server would take the object as it stands."""
    definition = yaml.safe_load((CRDS / f"{crd}.yaml").read_text("utf-8"))["spec"]
    group, _, version = item["apiVersion"].partition("/")
    assert (group, item["kind"]) == (definition["group"], definition["names"]["kind"])
    (schema,) = (item["schema"]["openAPIV3Schema"] for item in definition["versions"] if item["name"] == version)
    jsonschema.validate(item, strict(schema))


@pytest.mark.parametrize("name", ["volcano", "coscheduling"])
def test_the_group_is_of_all_tasks_and_its_scheduler_takes_it(name: str) -> None:
    rendered = render(merged(overlay(name), JOB), release="mnist")
    group = rendered.one("PodGroup", "mnist")
    accept(name, group)
    assert group["spec"]["minMember"] == TASKS == sum(rendered.job_spec()["replicas"].values())
    key = {"volcano": "scheduling.k8s.io/group-name", "coscheduling": "scheduling.x-k8s.io/pod-group"}[name]
    for item in rendered.all("StatefulSet"):
        template = item["spec"]["template"]
        marks = {**template["metadata"]["labels"], **template["metadata"]["annotations"]}
        assert marks[key] == group["metadata"]["name"]
        assert template["spec"]["schedulerName"] == overlay(name)["schedulerName"]
    assert "schedulerName" not in rendered.lifecycle(), "the lifecycle must run before the tasks do"


@pytest.mark.parametrize("name", ["volcano", "coscheduling"])
@pytest.mark.parametrize("wrong", [{"minMember": "6"}, {"minmember": 6}, {"minMember": -1}])
def test_the_schema_check_reports_violations(name: str, wrong: dict[str, Any]) -> None:
    group = render(merged(overlay(name), JOB)).one("PodGroup")
    with pytest.raises(jsonschema.ValidationError):
        accept(name, {**group, "spec": wrong})


def test_kubernetes_own_scheduler_gets_a_group_of_all_tasks_for_each_run() -> None:
    gang = merged(overlay("gang"), JOB, {"priorityClassName": "high", "tensorboard": {"enabled": True}})
    rendered = render(gang, release="mnist")
    group = rendered.one("PodGroup")
    assert group["apiVersion"] == kubernetes.GANG
    assert group["metadata"]["name"] == f"mnist-{rendered.job_spec()['runId']}"
    assert group["spec"] == {
        "schedulingPolicy": {"gang": {"minCount": TASKS}},
        "disruptionMode": {"all": {}},
        "priorityClassName": "high",
    }
    assert rendered.job_spec()["gang"] is True
    of_group = {"podGroupName": group["metadata"]["name"]}
    for owner, template in kubernetes.pod_templates(rendered):
        training = template["metadata"]["labels"]["app.kubernetes.io/component"] == "training"
        assert template["spec"].get("schedulingGroup") == (of_group if training else None), owner
    again = render(merged(gang, {"run": 2, "priorityClassName": ""}), release="mnist").one("PodGroup")
    assert again["metadata"]["name"] != group["metadata"]["name"]
    assert "priorityClassName" not in again["spec"]


@pytest.mark.parametrize("name", ["gang", "volcano"])
def test_the_group_has_the_priority_class_of_its_pods_wherever_the_values_have_it(name: str) -> None:
    low = {role: {"priorityClassName": "low"} for role in ("chief", "worker", "evaluator")}
    values = merged(overlay(name), JOB, low, {"ps": {"podSpec": {"priorityClassName": "low"}}})
    rendered = render(values, release="mnist")
    classes = {item["spec"]["template"]["spec"]["priorityClassName"] for item in rendered.all("StatefulSet")}
    assert classes == {"low"} == {rendered.one("PodGroup")["spec"]["priorityClassName"]}


def test_volcanos_group_has_the_jobs_priority_class_where_its_pods_differ() -> None:
    group = render(merged(overlay("volcano"), JOB, {"priorityClassName": "low", "ps": {"priorityClassName": "high"}}))
    assert group.one("PodGroup")["spec"]["priorityClassName"] == "low"


def test_kueue_gets_one_group_of_all_tasks_for_each_run() -> None:
    rendered = render(merged(overlay("kueue"), JOB), release="mnist")
    run = rendered.job_spec()["runId"]
    for item in rendered.all("StatefulSet"):
        labels, annotations = (item["spec"]["template"]["metadata"][key] for key in ("labels", "annotations"))
        assert labels["kueue.x-k8s.io/pod-group-name"] == f"mnist-{run}"
        assert annotations["kueue.x-k8s.io/pod-group-total-count"] == str(TASKS)
        assert labels["kueue.x-k8s.io/queue-name"]
        assert annotations["kueue.x-k8s.io/pod-suspending-parent"] != "statefulset", (
            "Kueue would take the set for its own"
        )
        # With the label on the set itself, Kueue would take each set for a workload of its own and refuse to scale it.
        assert not [key for key in item["metadata"]["labels"] if "kueue" in key]
    assert "kueue" not in str(rendered.one("Job")), "who is to start the tasks need not wait in their queue"


def test_the_lifecycle_job_has_a_queue_where_the_values_give_it_one() -> None:
    queue = {"kueue.x-k8s.io/queue-name": "training"}
    job = render(merged(overlay("kueue"), JOB, {"lifecycle": {"labels": queue}})).one("Job")
    assert queue.items() <= job["metadata"]["labels"].items()
    assert not queue.keys() & job["spec"]["template"]["metadata"]["labels"].keys()


def test_a_group_of_the_longest_name_is_a_label() -> None:
    rendered = render(merged(overlay("kueue"), JOB, {"fullnameOverride": "a" * 42}))
    for _, template in kubernetes.pod_templates(rendered):
        for value in template["metadata"]["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)


@pytest.mark.parametrize("label", ["$(JOB)", "$(RUN_ID)", "$(JOB)-$(RUN_ID)", "$(TASKS)"])
def test_placeholders_are_replaced_in_labels_and_annotations(label: str) -> None:
    rendered = render(merged(JOB, {"podLabels": {"a": label}, "podAnnotations": {"b": f"x={label}; $(OTHER)"}}))
    spec = rendered.job_spec()
    expected = label
    for name, value in (("JOB", spec["name"]), ("RUN_ID", spec["runId"]), ("TASKS", str(TASKS))):
        expected = expected.replace(f"$({name})", value)
    metadata = rendered.set_of("worker")["spec"]["template"]["metadata"]
    assert (metadata["labels"]["a"], metadata["annotations"]["b"]) == (expected, f"x={expected}; $(OTHER)")
