"""Install the Debian packages and build the Go programs that the cluster consists of."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .settings import BUILDS, BUILDS_CONTAINERD, CACHE, GO_MODULES, KUBERNETES, PROGRAMS
from .shell import KitError, run, say

# Raised when the way of building changes, so that old build outputs are not taken for new ones.
_RECIPE = "1"

# A program, or a file, that each Debian package brings.
_PACKAGES = {
    "busybox": "busybox-static",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "ctr": "containerd",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
}


@dataclass(frozen=True)
class Module:
    """A Go module and the programs built from it."""

    name: str
    programs: dict[str, str]
    """The name of each program, and its Go package."""
    linker_flags: str = ""
    """`{MODULE}` in it is the version of that module in go.mod, `{MODULE:minor}` the second number of it."""
    on_request: bool = field(default=False, repr=False)  # of no account to what is built
    """Whether the cluster runs without it."""
    tags: str = field(default="", repr=False)
    """Build tags; a change of them alone builds nothing anew."""


MODULES = (
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(
        f"kubernetes-{KUBERNETES}",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        },
        "-X k8s.io/component-base/version.gitVersion={k8s.io/kubernetes}",
    ),
    Module(
        "containerd",
        {name: f"github.com/containerd/containerd/v2/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2")},
        on_request=not BUILDS_CONTAINERD,
    ),
    Module("coredns", {"coredns": "."}),
    # The flags of Helm's own Makefile. A Helm 3 without them renders for Kubernetes 1.20.
    Module(
        "helm3",
        {"helm3": "helm.sh/helm/v3/cmd/helm"},
        "-X helm.sh/helm/v3/internal/version.version={helm.sh/helm/v3}"
        " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1"
        " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={k8s.io/client-go:minor}"
        " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1"
        " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={k8s.io/client-go:minor}",
    ),
    Module(
        "helm4",
        {"helm4": "helm.sh/helm/v4/cmd/helm"},
        "-X helm.sh/helm/v4/internal/version.version={helm.sh/helm/v4}",
    ),
    Module("network-policies", {"kube-network-policies": "sigs.k8s.io/kube-network-policies/cmd"}, on_request=True),
    Module(
        "prometheus",
        {name: f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")},
        on_request=True,
        tags="netgo,remove_all_sd,enable_kubernetes_sd",
    ),
    Module(
        "kueue",
        {"kueue": "sigs.k8s.io/kueue/cmd/kueue"},
        "-X sigs.k8s.io/kueue/pkg/version.GitVersion=v0.19.2",
        on_request=True,
    ),
    Module(
        "training-operator",
        {"training-operator": "github.com/kubeflow/training-operator/cmd/training-operator.v1"},
        on_request=True,
    ),
    Module("argo-health", {"argo-health": "."}, on_request=True),
    Module("flux-health", {"flux-health": "."}, on_request=True),
    Module("argocd", {"argocd": "."}, on_request=True),
)

_ALIASES = {"helm": "helm3"}


@contextmanager
def lock() -> Iterator[None]:
    """Keep other runs of the kit out while this one builds, starts or stops something."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run of the kit")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install_packages(wanted: Mapping[str, str] = _PACKAGES) -> None:
    """Install the Debian packages whose programs are missing (default: all that the cluster needs)."""
    missing = {package for program, package in wanted.items() if shutil.which(program) is None}
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise KitError(
            f"missing programs; install the Debian packages {', '.join(sorted(missing))} or their equivalents"
        )
    say(f"installing {', '.join(sorted(missing))}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # An unreachable source that has nothing to do with us must not stop this; the install itself decides.
    run(["apt-get", "update"], check=False, environment=environment)
    run(["apt-get", "install", "--yes", "--no-install-recommends", *sorted(missing)], environment=environment)


def build_programs(names: Iterable[str] = ()) -> None:
    """Build the modules of these names (default: all that the cluster needs) unless cached; link them in one folder."""
    wanted = set(names) or {module.name for module in MODULES if not module.on_request}
    unknown = wanted - {module.name for module in MODULES}
    if unknown:
        raise KitError(f"no such module: {', '.join(sorted(unknown))}")
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    for module in MODULES:
        if module.name in wanted:
            folder = build(module, GO_MODULES / module.name)
            for program in module.programs:
                _link(PROGRAMS / program, folder / program)
    for alias, program in _ALIASES.items():
        if (PROGRAMS / program).exists():
            _link(PROGRAMS / alias, Path(program))
    remove_unused()


def build(module: Module, source: Path) -> Path:
    """Build the module in this folder unless the cache has it, and return the folder with its programs."""
    folder = BUILDS / f"{module.name}-{_key(module, source)}"
    if folder.exists():
        return folder
    if shutil.which("go") is None:
        raise KitError(f"Go is not installed; install it (version: the go line of {source}/go.mod)")
    started = time.monotonic()
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    linker_flags = f"-s -w {with_versions(module.linker_flags, source)}".strip()
    for program, package in module.programs.items():
        say(f"building {program}")
        flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", linker_flags]
        flags += ["-tags", module.tags] if module.tags else []
        run(
            ["nice", "go", "build", *flags, "-o", scratch / program, package],
            folder=source,
            environment={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        )
    scratch.rename(folder)
    say(f"built {module.name} in {time.monotonic() - started:.0f} s")
    return folder


def source(module: str, path: str) -> Path:
    """Return the folder, in Go's cache, of the Go module with this path that a module of the kit requires."""
    environment = {**os.environ, "GOWORK": "off"}
    answer = run(["go", "mod", "download", "-json", path], folder=GO_MODULES / module, environment=environment)
    return Path(json.loads(answer)["Dir"])


def with_versions(linker_flags: str, source: Path) -> str:
    """Fill in the versions that go.mod names."""
    versions = dict(re.findall(r"^(?:require)?\s+(\S+) (v\S+)", (source / "go.mod").read_text(), re.MULTILINE))

    def version(match: re.Match[str]) -> str:
        whole: str = versions[match[1]]
        return whole.split(".")[1] if match[2] else whole

    return re.sub(r"\{([^}:]+)(:minor)?\}", version, linker_flags)


def remove_unused() -> None:
    """Remove the builds that no version of Kubernetes has a link to any more."""
    linked = {link.resolve().parent for folder in CACHE.glob("bin*") for link in folder.iterdir()}
    for folder in BUILDS.iterdir():
        if folder.resolve() not in linked:
            shutil.rmtree(folder)


def _key(module: Module, source: Path) -> str:
    """Return the hash of all that decides what is built."""
    digest = hashlib.sha256(f"{_RECIPE} {module}".encode())
    for file in sorted(source.iterdir()):
        digest.update(f"{file.name} ".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _link(link: Path, target: Path) -> None:
    """Make or replace a symbolic link."""
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
