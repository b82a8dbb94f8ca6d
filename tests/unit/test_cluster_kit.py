"""The cluster of the tests: each version of Kubernetes has its programs, and both are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hack.cluster import build, cluster
from hack.cluster.settings import GO_MODULES, KIT, KUBERNETES_VERSIONS
from hack.cluster.shell import KitError

OTHER = KUBERNETES_VERSIONS[-1]


def test_every_version_of_kubernetes_has_a_module_of_its_own() -> None:
    assert {path.name for path in GO_MODULES.glob("kubernetes-*")} == {f"kubernetes-{v}" for v in KUBERNETES_VERSIONS}
    for version in KUBERNETES_VERSIONS:
        text = (GO_MODULES / f"kubernetes-{version}/go.mod").read_text("utf-8")
        assert f"k8s.io/kubernetes v{version}." in text
        staging = re.findall(r"=> k8s\.io/\S+ v0\.(\S+)", text)
        assert {f"1.{number}" for number in staging} == set(re.findall(r"k8s\.io/kubernetes v(\S+)", text))


def test_its_readme_names_the_versions_that_are_built() -> None:
    readme = (KIT / "README.md").read_text("utf-8")
    for modules, pattern in (
        ("kubernetes-*", r"k8s\.io/kubernetes v(\S+)"),
        ("containerd", r"containerd/v2 v(\S+)"),
        ("helm*", r"helm\.sh/helm/v\d v(\S+)"),
    ):
        files = GO_MODULES.glob(f"{modules}/go.mod")
        found = {version for file in files for version in re.findall(pattern, file.read_text("utf-8"))}
        assert found
        assert all(version in readme for version in found), found


def test_programs_are_built_with_the_versions_that_go_mod_names(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("require a.io/b v1.2.3\n\nrequire (\n\tc.io/d/v4 v4.5.6 // indirect\n)\n")
    assert build.with_versions("-X x={a.io/b} -X y={c.io/d/v4:minor}", tmp_path) == "-X x=v1.2.3 -X y=5"


def test_builds_of_both_versions_are_kept_and_others_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "CACHE", tmp_path)
    monkeypatch.setattr(build, "BUILDS", tmp_path / "programs")
    for version in ("1.1-new", "1.1-old", "1.2"):
        program = tmp_path / f"programs/kubernetes-{version}/kubelet"
        program.parent.mkdir(parents=True)
        program.touch()
        if version != "1.1-old":
            links = tmp_path / f"bin-{version[:3]}"
            links.mkdir()
            (links / "kubelet").symlink_to(program)
            (links / "kubectl").symlink_to("kubelet")
    build.remove_unused()
    assert {path.name for path in (tmp_path / "programs").iterdir()} == {"kubernetes-1.1-new", "kubernetes-1.2"}


def test_a_cluster_of_another_version_is_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = tmp_path / "kubernetes"
    monkeypatch.setattr(cluster, "RUNNING_VERSION", running)
    monkeypatch.setattr(cluster, "KUBERNETES", OTHER)
    cluster.check_version()
    running.write_text(OTHER)
    cluster.check_version()
    running.write_text(KUBERNETES_VERSIONS[0])
    with pytest.raises(KitError, match=f"a cluster of Kubernetes {KUBERNETES_VERSIONS[0]} runs"):
        cluster.check_version()
    monkeypatch.setattr(cluster, "KUBERNETES", "1.1")
    with pytest.raises(KitError, match=r"CLUSTER_KUBERNETES is 1\.1; there are 1\.37 and 1\.35"):
        cluster.check_version()
