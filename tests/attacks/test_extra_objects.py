"""A job's author installs, through extraObjects, what they may not have and whoever deploys the job may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.tool.commands.test_commands import GOOD, run
from tests.unit.tool.counting import steps
from tfconfig.values.extra_objects import ExtraObject

BINDING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pwn}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: default, namespace: team}]
"""
LOOKUP = 'kind: ConfigMap\ndata: {{ (lookup "v1" "Secret" "" "").items | toJson }}\n'
BEYOND = {
    "an object": ({"pwn": {"apiVersion": "v1", "kind": "ClusterRoleBinding", "metadata": {"name": "x"}}}, "TFC340"),
    "its text": ({"pwn": BINDING}, "TFC340"),
    "its text as JSON": ({"pwn": '{"apiVersion":"v1","kind":"Role","metadata":{"name":"x"}}'}, "TFC340"),
    "a second document of its text": ({"pwn": f"apiVersion: v1\nkind: ConfigMap\n---\n{BINDING}"}, "TFC340"),
    "a list": (
        {"pwn": {"apiVersion": "v1", "kind": "List", "items": [{"kind": "RoleBinding", "metadata": {"name": "x"}}]}},
        "TFC340",
    ),
    "a kind that a template makes": ({"pwn": 'apiVersion: v1\nkind: {{ print "Cluster" "Role" }}\n'}, "TFC340"),
    "a kind of the whole cluster": (
        {"pwn": {"apiVersion": "v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "x"}}},
        "TFC340",
    ),
    "another namespace": (
        {"pwn": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "kube-system"}}},
        "TFC341",
    ),
    "another namespace in a text": (
        {"pwn": "apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: kube-system}\n"},
        "TFC341",
    ),
    "a lookup": ({"pwn": LOOKUP}, "TFC342"),
    "a lookup in an object": (
        {"pwn": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": '{{lookup "v1" "Secret" "" ""}}'}}},
        "TFC342",
    ),
}


def rules(folder: Path, objects: object, *options: str | Path) -> set[str]:
    (folder / "job.yaml").write_text(GOOD + "extraObjects: " + json.dumps(objects) + "\n", "utf-8")
    result = run("validate", "-o", "json", *options, folder / "job.yaml")
    return {item["rule"] for item in json.loads(result.stdout)["diagnostics"]}


@pytest.mark.parametrize(("objects", "rule"), BEYOND.values(), ids=BEYOND)
def test_what_reaches_beyond_the_job_is_reported(objects: object, rule: str, tmp_path: Path) -> None:
    assert rule in rules(tmp_path, objects)


@pytest.mark.parametrize("objects", [objects for objects, _ in BEYOND.values()], ids=list(BEYOND))
def test_policy_can_refuse_extra_objects_altogether(objects: object, tmp_path: Path) -> None:
    policy = {"properties": {"extraObjects": {"maxProperties": 0}}}
    (tmp_path / "policy.json").write_text(json.dumps(policy), "utf-8")
    assert "TFC400" in rules(tmp_path, objects, "--policy", tmp_path / "policy.json", "--ignore", "TFC34")


def test_objects_of_the_job_itself_are_no_finding(tmp_path: Path) -> None:
    name = '{{ include "tensorflow-job.fullname" . | quote }}'
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {{{{ .Release.Namespace }}}}\n"
    same = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lookup"}}
    assert rules(tmp_path, {"mine": text, "same": same}) == set()


def test_plan_lists_the_permissions_that_they_need(tmp_path: Path) -> None:
    objects = {"pwn": BINDING, "copy": LOOKUP, "odd": "{{ .Files }}"}
    (tmp_path / "job.yaml").write_text(GOOD + "extraObjects: " + json.dumps(objects) + "\n", "utf-8")
    plan = json.loads(run("plan", "-o", "json", "-f", tmp_path / "job.yaml").stdout)
    installer = plan["permissions"]["installer"]
    assert {"ClusterRoleBinding", "ConfigMap", "unknown"} <= set(installer["kinds"])
    assert (installer["otherNamespaces"], installer["lookup"]) == (["team"], True)
    text = run("plan", "-f", tmp_path / "job.yaml").stdout
    assert "ClusterRoleBinding" in text
    assert "look up" in text


@pytest.mark.parametrize("part", ["{{ ", "kind: {{", "namespace: '", "- kind:\t"])
def test_twice_as_much_text_is_twice_the_work(part: str) -> None:
    def work(count: int) -> int:
        item = ExtraObject("x", part * count)
        return steps(lambda: (item.kinds, item.namespaces, item.looks_up))

    work(1)
    assert work(20_000) < 2.5 * work(10_000)
