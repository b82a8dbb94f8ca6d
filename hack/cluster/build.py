"""Install the Debian packages and build the Go programs that the cluster consists of."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .settings import CACHE, GO_MODULES, KUBERNETES_VERSION, PROGRAMS
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


MODULES = (
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(
        "kubernetes",
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
        f"-X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}",
    ),
    Module("coredns", {"coredns": "."}),
    Module("helm3", {"helm3": "helm.sh/helm/v3/cmd/helm"}),
    Module("helm4", {"helm4": "helm.sh/helm/v4/cmd/helm"}),
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


def install_packages() -> None:
    """Install the Debian packages whose programs are missing."""
    missing = {package for program, package in _PACKAGES.items() if shutil.which(program) is None}
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
    """Build the modules of these names (default: all) that are not cached, and link their programs in one folder."""
    wanted = set(names) or {module.name for module in MODULES}
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


def build(module: Module, source: Path) -> Path:
    """Build the module in this folder unless the cache has it, and return the folder with its programs."""
    folder = CACHE / "programs" / f"{module.name}-{_key(module, source)}"
    if folder.exists():
        return folder
    if shutil.which("go") is None:
        raise KitError(f"Go is not installed; install it (version: the go line of {source}/go.mod)")
    started = time.monotonic()
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    for program, package in module.programs.items():
        say(f"building {program}")
        flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {module.linker_flags}".strip()]
        run(
            ["nice", "go", "build", *flags, "-o", scratch / program, package],
            folder=source,
            environment={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        )
    for old in folder.parent.glob(f"{module.name}-*"):
        if old != scratch:
            shutil.rmtree(old)
    scratch.rename(folder)
    say(f"built {module.name} in {time.monotonic() - started:.0f} s")
    return folder


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
