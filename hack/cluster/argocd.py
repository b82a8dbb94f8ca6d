"""Argo CD, on request: its two parts that deploy run as processes beside the API server, with a Redis.

They serve on this machine alone, and act on the Applications in their own namespace. Argo CD sees a change in a Git
repository, which may be a folder (file:///...), within seconds.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import build, processes
from .api import Api, ApiError
from .build import build_programs, install_packages, lock
from .manifests import Object, apply, kubectl, read, wait_for_types
from .settings import KUBECONFIG, PROGRAMS, STATE

MODULE = "argocd"
NAMESPACE = "argocd"
_TYPES = ("applications.argoproj.io", "appprojects.argoproj.io")
_CRDS = ("crds/application-crd.yaml", "crds/appproject-crd.yaml")
_REDIS, _REPOSITORIES, _CONTROLLER = PROCESSES = ("argocd-redis", "argocd-repo-server", "argocd-controller")
_ADDRESS = "127.0.0.1"
_REDIS_PORT, _REPOSITORIES_PORT, _REPOSITORIES_HEALTH_PORT, _HEALTH_PORT = 16379, 18083, 18084, 18085
_FOLDER = STATE / MODULE


def on() -> None:
    """Run it, ready for Applications."""
    with lock():
        install_packages({"git": "git", "redis-server": "redis-server"})
        build_programs([MODULE])
        source = build.source(MODULE, "github.com/argoproj/argo-cd/v3")
        apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
        apply(read("\n---\n".join((source / "manifests" / file).read_text() for file in _CRDS)))
        wait_for_types(_TYPES)
        processes.wait("the API server serves its types", _is_served, ["kube-apiserver"])
        apply(_objects(source))
        _start(source)


def off() -> None:
    """Remove its types, with all Applications and what their finalizers remove, and end it."""
    with lock():
        kubectl("delete", "crd", *_TYPES, "--ignore-not-found", "--timeout=60s")
        processes.kill(PROCESSES)
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
        shutil.rmtree(_FOLDER, ignore_errors=True)


def _objects(source: Path) -> list[Object]:
    """Its configuration as installed, and what its API server, which does not run, would add."""
    files = sorted((source / "manifests/base/config").glob("argocd-*.yaml"))
    objects = read("\n---\n".join(file.read_text() for file in files))
    for item in objects:
        item["metadata"]["namespace"] = NAMESPACE
        if item["kind"] == "Secret":
            item["stringData"] = {"server.secretkey": "unused"}
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": spec}
    return [*objects, {**project, "metadata": {"name": "default", "namespace": NAMESPACE}}]


def _start(source: Path) -> None:
    home, scripts = _FOLDER / "home", _FOLDER / "bin"
    for folder in (home, scripts):
        folder.mkdir(parents=True, exist_ok=True)
    script = scripts / "git-verify-wrapper.sh"  # in its image on the path; in a module no file may be run
    shutil.copyfile(source / "hack" / script.name, script)
    script.chmod(0o755)
    redis = f"{_ADDRESS}:{_REDIS_PORT}"
    variables = {
        "HOME": home,
        "TMPDIR": home,
        "PATH": f"{scripts}:{PROGRAMS}:{os.environ['PATH']}",
        "KUBECONFIG": KUBECONFIG,
        "ARGOCD_FAKE_IN_CLUSTER": "true",  # the kubeconfig is that of https://kubernetes.default.svc
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_ASK_PASS_SOCK": home / "ask-pass.sock",
        "ARGOCD_RECONCILIATION_TIMEOUT": "5s",
        "ARGOCD_RECONCILIATION_JITTER": "0s",
    }
    program: list[str | Path] = ["env", *(f"{name}={value}" for name, value in variables.items()), PROGRAMS / MODULE]
    repositories = ["repo-server", f"--address={_ADDRESS}", f"--port={_REPOSITORIES_PORT}", "--disable-tls"]
    repositories += [f"--metrics-address={_ADDRESS}", f"--metrics-port={_REPOSITORIES_HEALTH_PORT}"]
    repositories += ["--client-ca-path=", f"--redis={redis}"]
    controller = ["application-controller", f"--namespace={NAMESPACE}", f"--metrics-port={_HEALTH_PORT}"]
    controller += [f"--repo-server={_ADDRESS}:{_REPOSITORIES_PORT}", "--repo-server-plaintext", f"--redis={redis}"]
    options = ["--bind", _ADDRESS, "--port", str(_REDIS_PORT), "--save", "", "--appendonly", "no"]
    processes.start(_REDIS, ["redis-server", *options])
    processes.start(_REPOSITORIES, [*program, *repositories])
    processes.wait("it reads repositories", lambda: _is_healthy(_REPOSITORIES_HEALTH_PORT), [_REDIS, _REPOSITORIES])
    processes.start(_CONTROLLER, [*program, *controller])
    processes.wait("it is ready", lambda: _is_healthy(_HEALTH_PORT), PROCESSES)


def _is_served() -> bool:
    """Whether discovery has them, too, which kubectl asks."""
    try:
        served = Api().call("GET", "/apis/argoproj.io/v1alpha1")["resources"]
    except ApiError:
        return False
    return {f"{item['name']}.argoproj.io" for item in served} >= set(_TYPES)


def _is_healthy(port: int) -> bool:
    return processes.is_healthy(_ADDRESS, port)
