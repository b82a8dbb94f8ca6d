"""`tfconfig plan` says what the rendered chart asks for."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from tests.chart import helm
from tests.unit.tool import generated
from tests.unit.tool.commands.test_commands import GOOD, run
from tests.unit.tool.counting import steps
from tfconfig.cluster.resources import plan
from tfconfig.values.load import Values, load
from tfconfig.values.pod_amounts import pod_amounts
from tfconfig.values.quantity import parse


def loaded(values: dict[str, Any], folder: Path) -> Values:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), "utf-8")
    return load([str(file)])


def planned(values: dict[str, Any], folder: Path, release: str = "digits") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(plan(loaded(values, folder), release), default=str))
    return made


@pytest.mark.parametrize("name", helm.ci_values())
class TestAgainstTheChart:
    def test_objects_are_those_that_helm_makes(self, name: str, tmp_path: Path) -> None:
        values = helm.ci_values()[name]
        extra = [key for key, item in (values.get("extraObjects") or {}).items() if item]
        made = planned(values, tmp_path)
        objects = Counter((item["kind"], item["name"]) for item in made["objects"])
        hashes = r"(?<=-lifecycle-)[0-9a-f]{8}(?=-2$|$)|(?<=^digits-)[0-9a-f]{10}$"
        rendered = Counter(
            (item["kind"], re.sub(hashes, "*", item["metadata"]["name"])) for item in helm.render(values).objects
        )
        unknown = rendered - objects
        assert unknown.total() == len(extra)
        assert objects - rendered == Counter()
        assert made["extraObjects"] == sorted(extra)

    def test_resources_are_those_of_the_pods(self, name: str, tmp_path: Path) -> None:
        values = helm.ci_values()[name]
        made, rendered = planned(values, tmp_path), helm.render(values)
        for role, count in rendered.job_spec()["replicas"].items():
            pod = rendered.pod_of(role)
            for kind in ("requests", "limits"):
                amounts = pod_amounts(pod, kind)
                assert made["pods"][role][kind] == {name: str(amount) for name, amount in amounts.items()}
            assert made["pods"][role]["count"] == count

    def test_all_that_pod_spec_adds_counts(self, name: str, tmp_path: Path) -> None:
        sidecar = {"name": "big", "image": "x:1", "restartPolicy": "Always", "resources": {"requests": {"cpu": "90"}}}
        whole = {"overhead": {"memory": "70Mi"}, "runtimeClassName": "kata", "resources": {"limits": {"memory": "1Ti"}}}
        values = helm.merged(helm.ci_values()[name], {"podSpec": {"initContainers": [sidecar], **whole}})
        made, rendered = planned(values, tmp_path), helm.render(values)
        for role in rendered.job_spec()["replicas"]:
            pod = rendered.pod_of(role)
            for kind in ("requests", "limits"):
                amounts = pod_amounts(pod, kind)
                assert made["pods"][role][kind] == {key: str(amount) for key, amount in amounts.items()}
            assert amounts["memory"].nanos == parse("1Ti").nanos + parse("70Mi").nanos

    def test_claims_and_permissions_are_those_of_the_chart(self, name: str, tmp_path: Path) -> None:
        values = helm.ci_values()[name]
        made, rendered = planned(values, tmp_path), helm.render(values)
        claims = {
            item["persistentVolumeClaim"]["claimName"]
            for role in rendered.job_spec()["replicas"]
            for item in rendered.pod_of(role).get("volumes", [])
            if "persistentVolumeClaim" in item
        }
        assert {item["name"] for item in made["claims"]} == claims
        lifecycle = made["permissions"]["lifecycle"]
        assert lifecycle["serviceAccount"] == rendered.lifecycle()["serviceAccountName"]
        rules = rendered.one("Role")["rules"] if rendered.all("Role") else []
        mine = {(kind, verb) for item in lifecycle["rules"] for kind in item["resources"] for verb in item["verbs"]}
        chart = {(kind, verb) for item in rules for kind in item["resources"] for verb in item["verbs"]}
        assert chart <= mine


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(generated.VALUES)
def test_whatever_validate_passes_has_a_plan(tmp_path: Path, values: dict[str, Any]) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values), "utf-8")
    for form in ("text", "json"):
        result = run("plan", "-f", file, "-o", form)
        assert (result.exit_code == 0) is bool(result.stdout), result.stderr
        assert result.exit_code == 0 or "error TFC" in result.stderr


def test_totals_are_exact_over_suffixes_and_resources(tmp_path: Path) -> None:
    values = {
        **helm.PROGRAM,
        "resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}},
        "worker": {"replicas": 3, "gpus": 2, "resources": {"limits": {"cpu": 0.5, "memory": "512Mi"}}},
        "ps": {"replicas": 2, "gpus": 1, "gpuResource": "amd.com/gpu"},
        "lifecycle": {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": None}},
    }
    total = planned(values, tmp_path)["total"]
    assert total["pods"] == 7
    assert total["requests"] == {
        "amd.com/gpu": "2",
        "cpu": "6010m",  # 1500m x 3, the workers' limits x 3, 10m
        "memory": "4672Mi",
        "nvidia.com/gpu": "6",
    }


def test_pod_with_init_containers_and_sidecars_counts_as_the_scheduler_counts() -> None:
    def of(cpu: str, **more: str) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    sidecar = of("2", restartPolicy="Always")

    def cpu(containers: list[Any], init_containers: list[Any]) -> str:
        return str(pod_amounts({"containers": containers, "initContainers": init_containers}, "requests")["cpu"])

    assert cpu([of("1"), of("1")], [of("5")]) == "5"
    assert cpu([of("1"), of("1")], [sidecar]) == "4"
    assert cpu([of("1")], [of("5"), sidecar]) == "5"
    assert cpu([of("1")], [sidecar, of("5")]) == "7"


@pytest.mark.parametrize(
    ("container", "whole", "overhead", "requests", "limits"),
    [
        ({"requests": {"cpu": 1}}, {"limits": {"cpu": 4}}, {}, {"cpu": "1"}, {"cpu": "4"}),
        ({"requests": {"cpu": 1}}, {"requests": {"cpu": 2}}, {}, {"cpu": "2"}, {}),
        ({}, {"limits": {"cpu": 4}}, {}, {"cpu": "4"}, {"cpu": "4"}),
        ({"limits": {"cpu": 2}}, {"limits": {"cpu": 4}}, {}, {"cpu": "2"}, {"cpu": "4"}),
        ({"requests": {"cpu": 1}}, {}, {"cpu": "250m"}, {"cpu": "1250m"}, {}),
        ({"limits": {"cpu": 1}}, {}, {"cpu": "250m"}, {"cpu": "1250m"}, {"cpu": "1250m"}),
        ({}, {"limits": {"cpu": 4}}, {"cpu": 1}, {"cpu": "5"}, {"cpu": "5"}),
        ({}, {}, {"memory": "70Mi"}, {"memory": "70Mi"}, {}),
    ],
)
def test_resources_of_the_whole_pod_and_its_overhead_count_as_kubernetes_counts_them(
    container: Any, whole: Any, overhead: Any, requests: dict[str, str], limits: dict[str, str]
) -> None:
    spec = {"containers": [{"resources": container}], "resources": whole, "overhead": overhead}
    for kind, expected in (("requests", requests), ("limits", limits)):
        assert {name: str(amount) for name, amount in pod_amounts(spec, kind).items()} == expected


def test_devices_of_resource_claims_are_reported(tmp_path: Path) -> None:
    template = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "four"},
        "spec": {
            "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu", "count": 4}}]}}
        },
    }
    claims = [{"name": "a", "resourceClaimTemplateName": "four"}, {"name": "b", "resourceClaimName": "theirs"}]
    values = {
        **yaml.safe_load(GOOD),
        "worker": {"replicas": 3, "podSpec": {"resourceClaims": claims}},
        "extraObjects": {"a": template},
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values), "utf-8")
    text = run("plan", "-f", tmp_path / "values.yaml").stdout
    assert "  devices by resource claims: 12, and those of other claims: 1\n" in text


def test_suspended_job_counts_its_lifecycle_alone(tmp_path: Path) -> None:
    made = planned({**helm.PROGRAM, "suspend": True, "worker": {"gpus": 1}}, tmp_path)
    assert made["total"] == {
        "pods": 1, "requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"},
        "claimedDevices": 0, "unknownClaims": 0,
    }  # fmt: skip
    assert made["pods"]["worker"]["requests"] == {"nvidia.com/gpu": "1"}


def test_a_plan_of_five_thousand_tasks_is_no_more_work_than_one_of_five(tmp_path: Path) -> None:
    def job(workers: int) -> dict[str, Any]:
        return {**helm.PROGRAM, "worker": {"replicas": workers, "gpus": 8}, "ps": {"replicas": 100}}

    made = planned(job(4900), tmp_path, "j")
    assert made["total"]["requests"]["nvidia.com/gpu"] == "39200"
    assert len(json.dumps(made)) < 10_000
    large, small = loaded(job(4900), tmp_path), loaded(job(4), tmp_path)
    assert steps(lambda: plan(large, "j")) == steps(lambda: plan(small, "j"))


class TestCommand:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("v.yaml").write_text(GOOD + "worker: {gpus: 1}\n", "utf-8")

    def test_text_has_the_answers(self) -> None:
        shown = run("plan", "-f", "v.yaml", "--release", "r").stdout
        for words in (
            "worker     2     server     -     -       1",
            "total      5                100m  64Mi    2",
            "No cpu or memory is requested by chief, worker, ps",
            "r-checkpoints for checkpoints: 10Gi, ReadWriteMany, the default storage class, kept on uninstall",
            "2222/TCP of Service r, open to the job's own pods",
            "training pods: none",
        ):
            assert words in shown

    def test_json_is_versioned(self) -> None:
        made = json.loads(run("plan", "-f", "v.yaml", "-o", "json").stdout)
        assert (made["version"], made["name"]) == (1, "release")

    def test_job_without_volumes_says_so(self) -> None:
        shown = run("plan", "-f", "v.yaml", "--set", "checkpoint.enabled=false,networkPolicy.enabled=false").stdout
        assert "none: checkpoints are off" in shown
        assert "open to everyone" in shown

    def test_values_with_errors_are_not_planned(self) -> None:
        result = run("plan", "-f", "v.yaml", "--set", "worker.replicas=x")
        assert (result.exit_code, result.stdout) == (1, "")
        assert run("plan").exit_code == 2
