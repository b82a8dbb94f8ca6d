"""The overlays in values/: right alone and in pairs, over every strategy, and what they are for is in the pods."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import helm
from tfconfig.chart import bundled
from tfconfig.schema_command import of_files
from tfconfig.suppress import apply
from tfconfig.validate import findings
from tfconfig.values import load

FOLDER = helm.CHART.parent / "values"
OVERLAYS = [file.stem for file in sorted(FOLDER.glob("*.yaml"))]
STRATEGIES = list(bundled().strategies)


def pods(folder: Path, strategy: str, *overlays: str) -> helm.Rendered:
    """The release of a minimal job over overlays, in which nothing must be found."""
    job = {**helm.PROGRAM, "strategy": strategy}
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(job), "utf-8")
    files = [str(FOLDER / f"{name}.yaml") for name in overlays]
    values = load([*files, str(file)])
    assert apply(findings(values, "digits"), values.sources) == []
    return helm.render(helm.merged(*(yaml.safe_load(Path(one).read_text("utf-8")) for one in files), job))


def test_the_overlays_are_there() -> None:
    assert set(OVERLAYS) == {"gpu", "spot", "dev", "production", "shared-storage", "root"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_is_right_for_every_strategy(name: str, tmp_path: Path) -> None:
    for strategy in STRATEGIES:
        pods(tmp_path, strategy, name)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(OVERLAYS, 2)))
def test_overlays_are_right_in_pairs(first: str, second: str, tmp_path: Path) -> None:
    pods(tmp_path, "ParameterServer", first, second)


@pytest.mark.parametrize("name", OVERLAYS)
def test_editor_finds_its_schema(name: str) -> None:
    first, second = (FOLDER / f"{name}.yaml").read_text("utf-8").splitlines()[:2]
    assert first == "# yaml-language-server: $schema=schema.json"
    assert second.startswith("# ")


def test_schema_for_editors_is_the_chart_s() -> None:
    shown = json.loads((FOLDER / "schema.json").read_text("utf-8"))
    assert shown == of_files(bundled()), "run: tfconfig schema > values/schema.json"


def keys(tolerations: list[dict[str, Any]]) -> set[str]:
    return {one["key"].partition("/")[0] for one in tolerations}


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
        assert (dev.layout()["replicas"]["worker"], dev.layout()["deadlines"]["activeSeconds"]) == (1, 3600)
        assert production.layout()["restart"]["backoffLimit"] == 10
        assert production.pod_of("chief")["terminationGracePeriodSeconds"] == 120

    def test_shared_storage_makes_no_claim(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "shared-storage")
        assert not rendered.all("PersistentVolumeClaim")
        assert rendered.layout()["checkpointDir"] == "/checkpoints/digits"

    def test_root_fits_the_baseline_standard(self, tmp_path: Path) -> None:
        rendered = pods(tmp_path, "ParameterServer", "root")
        assert rendered.pod_of("worker")["securityContext"]["runAsUser"] == 0
        context = rendered.container_of("worker")["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        allowed = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}  # of those that `baseline` allows
        assert (context["capabilities"]["drop"], set(context["capabilities"]["add"])) == (["ALL"], allowed)
