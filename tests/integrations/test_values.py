"""The overlays in values/: right alone and in pairs, over every strategy, and what they are for is in the pods."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import helm, kubernetes
from tfconfig.checking.findings import findings
from tfconfig.checking.ignores import apply
from tfconfig.values.chart import bundled
from tfconfig.values.file_schema import file_schema
from tfconfig.values.load import load

FOLDER = helm.CHART.parent / "values"
OVERLAYS = [file.stem for file in sorted(FOLDER.glob("*.yaml"))]
STRATEGIES = list(bundled().strategies)


def checked(folder: Path, strategy: str, *overlays: str) -> helm.Values:
    """A minimal job over overlays, which must have no diagnostics."""
    job = {**helm.PROGRAM, "strategy": strategy}
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(job), "utf-8")
    files = [str(FOLDER / f"{name}.yaml") for name in overlays]
    values = load([*files, str(file)])
    assert apply(findings(values, "digits"), values.sources) == []
    return helm.merged(*(yaml.safe_load(Path(item).read_text("utf-8")) for item in files), job)


def pods(folder: Path, strategy: str, *overlays: str) -> helm.Rendered:
    """The release of it."""
    return helm.render(checked(folder, strategy, *overlays))


def test_every_overlay_is_in_the_table() -> None:
    rows = [line for line in (FOLDER / "README.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(f"{name}.yaml" for name in OVERLAYS)


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_is_right_for_every_strategy(name: str, tmp_path: Path) -> None:
    for strategy in STRATEGIES:
        pods(tmp_path, strategy, name)


# OpenShift chooses the users of pods, and does not choose root.
CONTRARY = {"root", "openshift"}
# Each has the pods name a group of its own scheduler.
SCHEDULERS = {"coscheduling", "gang", "volcano"}
PAIRS = [
    pair for pair in itertools.permutations(OVERLAYS, 2) if set(pair) != CONTRARY and not SCHEDULERS.issuperset(pair)
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_overlays_are_right_in_pairs(first: str, second: str, tmp_path: Path) -> None:
    values = checked(tmp_path, "ParameterServer", first, second)
    if first < second:  # one order is enough to see that it renders
        helm.render(values)


@pytest.mark.parametrize(
    ("first", "second"),
    [("volcano", "gang"), ("coscheduling", "gang"), ("volcano", "coscheduling"), ("coscheduling", "volcano")],
)
def test_the_overlays_of_two_schedulers_are_refused(first: str, second: str, tmp_path: Path) -> None:
    """Pods that name a group of a scheduler that gets none would wait for ever."""
    with pytest.raises(AssertionError, match="TFC152"):
        checked(tmp_path, "ParameterServer", first, second)


@pytest.mark.parametrize("name", OVERLAYS)
def test_kubernetes_takes_what_an_overlay_makes(name: str, tmp_path: Path) -> None:
    for item in pods(tmp_path, "ParameterServer", name).objects:
        kubernetes.assert_valid(item, kubernetes.NEWEST)


@pytest.mark.parametrize("name", [name for name in OVERLAYS if name != "root"])
def test_an_overlay_fits_the_restricted_pod_security_standard(name: str, tmp_path: Path) -> None:
    for owner, template in kubernetes.pod_templates(pods(tmp_path, "ParameterServer", name)):
        assert not kubernetes.restricted_violations(template["spec"]), owner


@pytest.mark.parametrize("name", OVERLAYS)
def test_editor_finds_its_schema(name: str) -> None:
    first, second = (FOLDER / f"{name}.yaml").read_text("utf-8").splitlines()[:2]
    assert first == "# yaml-language-server: $schema=schema.json"
    assert second.startswith("# ")


def test_schema_for_editors_is_the_chart_s() -> None:
    shown = json.loads((FOLDER / "schema.json").read_text("utf-8"))
    assert shown == file_schema(bundled()), "run: tfconfig schema > values/schema.json"


def keys(tolerations: list[dict[str, Any]]) -> set[str]:
    return {item["key"].partition("/")[0] for item in tolerations}


class TestPurpose:
    def test_gpu_workers_alone_have_gpus(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "gpu")
        assert rendered.container_of("worker")["resources"]["limits"] == {"nvidia.com/gpu": "1"}
        assert rendered.container_of("worker")["image"] == "tensorflow/tensorflow:2.21.0-gpu"
        assert "limits" not in rendered.container_of("ps").get("resources", {})

    def test_spot_after_gpu_keeps_workers_on_gpu_nodes_and_servers_off_spot(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "gpu", "spot")
        assert {"nvidia.com", "cloud.google.com"} < keys(rendered.pod_of("worker")["tolerations"])
        for role in ("chief", "ps"):
            assert "cloud.google.com" not in keys(rendered.pod_of(role)["tolerations"])

    def test_dev_and_production_bound_the_job(self, tmp_path: Path) -> None:
        dev, production = (pods(tmp_path, "ParameterServer", name) for name in ("dev", "production"))
        assert (dev.job_spec()["replicas"]["worker"], dev.job_spec()["deadlines"]["activeSeconds"]) == (1, 3600)
        assert production.job_spec()["restart"]["backoffLimit"] == 10
        assert production.pod_of("chief")["terminationGracePeriodSeconds"] == 120

    def test_shared_storage_makes_no_claim(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "shared-storage")
        assert not rendered.all("PersistentVolumeClaim")
        assert rendered.job_spec()["checkpointDir"] == "/checkpoints/digits"

    def test_every_task_has_a_scratch_disk_that_it_can_write_to(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "scratch")
        for role in ("chief", "worker", "ps"):
            container = rendered.container_of(role)
            path = next(item["value"] for item in container["env"] if item["name"] == "SCRATCH_DIR")
            (mount,) = (item for item in container["volumeMounts"] if item["mountPath"] == path)
            (volume,) = (item for item in rendered.pod_of(role)["volumes"] if item["name"] == mount["name"])
            assert (mount["readOnly"], set(volume)) == (False, {"name", "ephemeral"})

    def test_keys_for_object_storage_come_from_a_secret(self, tmp_path: Path) -> None:
        for role in ("chief", "worker", "ps"):
            env = {
                item["name"]: item
                for item in pods(tmp_path, "ParameterServer", "object-storage").container_of(role)["env"]
            }
            for name, key in (("AWS_ACCESS_KEY_ID", "access-key"), ("AWS_SECRET_ACCESS_KEY", "secret-key")):
                assert env[name]["valueFrom"]["secretKeyRef"] == {"name": "object-storage", "key": key}

    def test_root_fits_the_baseline_standard(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "root")
        assert rendered.pod_of("worker")["securityContext"]["runAsUser"] == 0
        context = rendered.container_of("worker")["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        allowed = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}  # of those that `baseline` allows
        assert (context["capabilities"]["drop"], set(context["capabilities"]["add"])) == (["ALL"], allowed)

    def test_openshift_chooses_the_ids(self, tmp_path: Path) -> None:
        for _, template in kubernetes.pod_templates(pods(tmp_path, "ParameterServer", "openshift")):
            assert not {"runAsUser", "fsGroup"} & set(template["spec"]["securityContext"])
            assert template["spec"]["securityContext"]["runAsNonRoot"] is True

    def test_rdma_devices_are_for_workers_beside_their_gpus(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "MultiWorkerMirrored", "gpu", "rdma")
        assert rendered.container_of("worker")["resources"]["limits"] == {"rdma/hca": 1, "nvidia.com/gpu": "1"}

    def test_priority_is_the_lifecycle_s_too(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "priority")
        names = [template["spec"]["priorityClassName"] for _, template in kubernetes.pod_templates(rendered)]
        assert names == ["training"] * 4

    def test_topology_is_the_job_s_own(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "topology")
        spread = rendered.pod_of("ps")["topologySpreadConstraints"]
        assert [item["labelSelector"]["matchLabels"]["tensorflow-job/role"] for item in spread] == ["ps"]
        (near,) = rendered.pod_of("worker")["affinity"]["podAffinity"][
            "preferredDuringSchedulingIgnoredDuringExecution"
        ]
        assert near["podAffinityTerm"]["matchLabelKeys"] == ["tensorflow-job/job"]

    def test_drains_wait_for_chief_and_parameter_servers_alone(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "disruption")
        spec = rendered.one("PodDisruptionBudget", "digits")["spec"]
        assert spec["maxUnavailable"] == 0
        (roles,) = spec["selector"]["matchExpressions"]
        for role in ("chief", "ps", "worker"):
            labels = rendered.set_of(role)["spec"]["template"]["metadata"]["labels"]
            assert kubernetes.selects(spec["selector"]["matchLabels"], labels)
            assert (labels[roles["key"]] in roles["values"]) == (role != "worker")

    def test_a_mesh_takes_the_tasks_and_never_the_lifecycle(self, tmp_path: Path) -> None:
        on, off = (pods(tmp_path, "ParameterServer", name) for name in ("mesh", "no-mesh"))
        for rendered, wanted in ((on, ("true", "enabled")), (off, ("false", "disabled"))):
            for owner, template in kubernetes.pod_templates(rendered):
                labels, notes = template["metadata"]["labels"], template["metadata"]["annotations"]
                injected = labels["sidecar.istio.io/inject"], notes["linkerd.io/inject"]
                assert injected == (("false", "disabled") if "-lifecycle-" in owner else wanted)
        notes = on.set_of("worker")["spec"]["template"]["metadata"]["annotations"]
        ports = {port["name"]: str(port["containerPort"]) for port in on.container_of("worker")["ports"]}
        assert notes["config.linkerd.io/opaque-ports"] == ports["tensorflow"]
        assert notes["config.linkerd.io/skip-inbound-ports"] == ports["progress"]
        assert notes["traffic.sidecar.istio.io/excludeInboundPorts"] == ports["progress"]

    def test_the_program_starts_where_git_put_it(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "git-code")
        (fetch,) = rendered.pod_of("chief")["initContainers"]
        assert f"git init --quiet {rendered.container_of('chief')['workingDir']}\n" in fetch["args"][0]
