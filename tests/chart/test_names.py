"""Names that releases and subcharts may have, and those that are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tfconfig.tensorflow_job.task import names as in_pods

from .helm import CHART, PROGRAM, RefusedError, Rendered, Values, merged, render
from .kubernetes import NEWEST, assert_valid

LONGEST = 42


def names(rendered: Rendered) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for item in rendered.objects:
        kinds.setdefault(item["kind"], []).append(item["metadata"]["name"])
    return {kind: sorted(several) for kind, several in kinds.items()}


def test_the_names_of_all_objects() -> None:
    values = merged(PROGRAM, {"evaluator": {"replicas": 1}, "program": {"files": {"train.py": ""}}})
    rendered = render(values, release="mnist")
    job = rendered.one("Job")["metadata"]["name"]
    assert job.startswith("mnist-lifecycle-")
    assert names(rendered) == {
        "ConfigMap": ["mnist-job", job, f"{job}-2", "mnist-program", "mnist-status", "mnist-task"],
        "Job": [job],
        "NetworkPolicy": ["mnist"],
        "PersistentVolumeClaim": ["mnist-checkpoints"],
        "Role": ["mnist-lifecycle"],
        "RoleBinding": ["mnist-lifecycle"],
        "Service": ["mnist"],
        "ServiceAccount": ["mnist-lifecycle"],
        "StatefulSet": ["mnist-chief", "mnist-evaluator", "mnist-ps", "mnist-worker"],
    }


def test_pods_and_tool_know_the_objects_by_the_same_names() -> None:
    values = merged(PROGRAM, {"program": {"files": {"train.py": ""}}, "tensorboard": {"enabled": True}})
    rendered = render(values, release="mnist")
    kinds = names(rendered)
    config_maps = (in_pods.job_config_name, in_pods.program_name, in_pods.status_name, in_pods.task_code_name)
    lifecycle_code = [kinds["Job"][0], f"{kinds['Job'][0]}-2"]
    assert sorted([*(name("mnist") for name in config_maps), *lifecycle_code]) == kinds["ConfigMap"]
    assert kinds["StatefulSet"] == [in_pods.set_name("mnist", role) for role in ("chief", "ps", "worker")]
    assert kinds["Role"] == kinds["RoleBinding"] == kinds["ServiceAccount"] == [in_pods.lifecycle_name("mnist")]
    assert kinds["PersistentVolumeClaim"] == [in_pods.claim_name("mnist")]
    assert kinds["Deployment"] == [in_pods.tensorboard_name("mnist")]
    deletable = next(rule["resourceNames"] for rule in rendered.one("Role")["rules"] if rule["verbs"] == ["delete"])
    assert deletable == [
        in_pods.pod_name("mnist", task) for task in (("chief", 0), ("worker", 0), ("worker", 1), ("ps", 0))
    ]
    assert rendered.job_spec()["port"] == in_pods.PORT


# Unquoted, YAML takes these for a boolean, nothing, a number, a date.
@pytest.mark.parametrize("release", ["y", "on", "no", "null", "true", "e3", "nan", "x" * LONGEST])
def test_release_names_stay_text(release: str) -> None:
    rendered = render(PROGRAM, release=release)
    assert rendered.one("Service")["metadata"]["name"] == release
    for item in rendered.objects:
        assert_valid(item, NEWEST)
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == release


@pytest.mark.parametrize("release", ["123", "1e3", "0x1f", "2024-05-01"])
def test_a_release_that_starts_with_a_digit_needs_a_full_name(release: str) -> None:
    with pytest.raises(
        RefusedError, match=rf'release name: "{release}" is not a valid Service name.*set fullnameOverride'
    ):
        render(PROGRAM, release=release)
    rendered = render(merged(PROGRAM, {"fullnameOverride": "mnist"}), release=release)
    for item in rendered.objects:
        assert_valid(item, NEWEST)
        assert item["metadata"]["name"].startswith("mnist")
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == release


def test_a_release_with_a_dot_is_refused() -> None:
    with pytest.raises(RefusedError, match=r'release name: "a\.b" is not a valid Service name'):
        render(PROGRAM, release="a.b")


@pytest.mark.parametrize("name", ["1a", "a.b", "A", "a_b", "a-", "-a", "ä"])
def test_a_full_name_that_no_service_can_have_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match=f'fullnameOverride: "{name}" is not a valid Service name'):
        render(merged(PROGRAM, {"fullnameOverride": name}))


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(
        RefusedError, match="has 43 characters, but the names of the job's objects allow 42; set fullnameOverride"
    ):
        render(PROGRAM, release="x" * (LONGEST + 1))
    assert render(merged(PROGRAM, {"fullnameOverride": "mnist"}), release="x" * 53)


def test_the_longest_name_leaves_room_for_what_kubernetes_adds() -> None:
    values = merged(PROGRAM, {"evaluator": {"replicas": 1}, "program": {"files": {"train.py": ""}}})
    rendered = render(values, release="x" * LONGEST)
    for item in rendered.all("StatefulSet"):
        # The label controller-revision-hash has the set's name, "-" and ten characters more.
        assert len(item["metadata"]["name"]) <= 52
    assert len(rendered.one("Job")["metadata"]["name"]) <= 63
    assert len(rendered.one("Service")["metadata"]["name"]) <= 63
    for item in rendered.objects:
        labels = [*item["metadata"]["labels"].values()]
        labels += item.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {}).values()
        assert all(len(value) <= 63 for value in labels)


def umbrella(folder: Path, aliases: list[str], child: Path = CHART) -> Path:
    """A chart that depends on this one under each alias ("": under its own name)."""
    chart = folder / "parent"
    shutil.copytree(child, chart / "charts" / "tensorflow-job", ignore=shutil.ignore_patterns("__pycache__", "ci"))
    dependencies = [
        {"name": "tensorflow-job", "version": "*", "condition": f"{alias or 'tensorflow-job'}.enabled"}
        | ({"alias": alias} if alias else {})
        for alias in aliases
    ]
    about: Values = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": dependencies}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    return chart


def test_as_a_dependency_the_job_is_called_after_release_and_chart(tmp_path: Path) -> None:
    rendered = render({"tensorflow-job": PROGRAM}, chart=umbrella(tmp_path, [""]), release="mnist")
    assert names(rendered)["Service"] == ["mnist-tensorflow-job"]
    for item in rendered.objects:
        assert_valid(item, NEWEST)
        assert item["metadata"]["labels"]["app.kubernetes.io/name"] == "tensorflow-job"


def test_two_aliases_are_two_jobs(tmp_path: Path) -> None:
    chart = umbrella(tmp_path, ["digits", "letters"])
    values = {"digits": PROGRAM, "letters": merged(PROGRAM, {"worker": {"replicas": 5}}), "global": {"team": "vision"}}
    rendered = render(values, chart=chart, release="train")
    assert names(rendered)["Service"] == ["train-digits", "train-letters"]
    single = {kind: len(several) for kind, several in names(render(PROGRAM)).items()}
    assert {kind: len(several) for kind, several in names(rendered).items()} == {k: 2 * n for k, n in single.items()}
    for item in rendered.objects:
        assert_valid(item, NEWEST)
        assert item["metadata"]["name"].startswith(item["metadata"]["labels"]["tensorflow-job/job"])
    assert "helm -n team upgrade train <chart> --reuse-values --set letters.run=2" in rendered.notes


def test_a_dependency_can_be_switched_off(tmp_path: Path) -> None:
    chart = umbrella(tmp_path, ["digits", "letters"])
    values = {"digits": PROGRAM | {"enabled": True}, "letters": {"enabled": False}}
    assert names(render(values, chart=chart, release="train"))["Service"] == ["train-digits"]


def test_errors_in_the_values_of_a_dependency_are_reported(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"program\.command: missing"):
        render({"digits": {}}, chart=umbrella(tmp_path, ["digits"]))
