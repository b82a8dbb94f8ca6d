"""The manifests of docs/gitops.md: each installs a job, waits for nothing that takes days, and removes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import helm
from tfconfig.checking.findings import findings
from tfconfig.values.load import load

GUIDE = (helm.CHART.parent / "docs/gitops.md").read_text("utf-8")
MANIFESTS: dict[str, dict[str, Any]] = {
    document["kind"]: document["spec"]
    for block in re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    for document in yaml.safe_load_all(block)
}
VALUES: dict[str, Any] = {
    "Application": MANIFESTS["Application"]["source"]["helm"]["valuesObject"],
    "HelmRelease": MANIFESTS["HelmRelease"]["values"],
    "HelmChart": yaml.safe_load(MANIFESTS["HelmChart"]["valuesContent"]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_its_values_are_those_of_a_job(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(VALUES[kind]), "utf-8")
    assert [str(item) for item in findings(load([str(file)]), "digits")] == []
    assert helm.render(VALUES[kind], release="digits").all("Job")


def test_it_names_this_version_of_the_chart() -> None:
    version = yaml.safe_load((helm.CHART / "Chart.yaml").read_text("utf-8"))["version"]
    named = [
        MANIFESTS["Application"]["source"]["targetRevision"],
        MANIFESTS["OCIRepository"]["ref"]["tag"],
        MANIFESTS["HelmChart"]["version"],
        re.findall(r'version += "(.+)"', GUIDE)[0],
    ]
    assert named == [version] * 4


def test_flux_neither_waits_for_the_training_nor_uninstalls_it() -> None:
    release = MANIFESTS["HelmRelease"]
    for action in ("install", "upgrade"):
        assert release[action] == {"disableWait": True, "strategy": {"name": "RetryOnFailure"}}


def test_flux_checks_an_object_of_the_chart() -> None:
    rendered = helm.render(VALUES["HelmRelease"], release=MANIFESTS["HelmRelease"]["releaseName"], namespace="team")
    checked = {check["name"] for check in MANIFESTS["Kustomization"]["healthChecks"] if check["kind"] == "ConfigMap"}
    assert checked <= {item["metadata"]["name"] for item in rendered.all("ConfigMap")}


def test_argo_cd_prunes_and_ignores_no_difference() -> None:
    application = MANIFESTS["Application"]
    assert application["syncPolicy"]["automated"]["prune"] is True
    assert "ignoreDifferences" not in application


def test_k3s_does_not_uninstall_what_it_cannot_upgrade() -> None:
    assert MANIFESTS["HelmChart"]["failurePolicy"] == "retry"


def test_terraform_does_not_wait() -> None:
    (block,) = re.findall(r"^```hcl\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert "wait       = false" in block
    assert not re.search("atomic|wait_for_jobs", block)
