"""The cluster for tests and benchmarks: the one that KUBECONFIG and CLUSTER_TEST_IMAGE name, or the kit's own."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from .cluster import check_version
from .settings import KIT, KUBECONFIG, PROGRAMS, PYTHON_IMAGE, TENSORFLOW_IMAGE

# Environment variables that name another cluster.
IMAGE = "CLUSTER_TEST_IMAGE"
SMALL_IMAGE = "CLUSTER_TEST_PYTHON_IMAGE"
ACCESS_MODE = "CLUSTER_TEST_ACCESS_MODE"


class CannotRunError(Exception):
    """The cluster tests cannot run here; the message has the reason."""


@dataclass(frozen=True)
class Target:
    """How the cluster is reached, and the images that its nodes have or can pull."""

    environ: dict[str, str]
    tensorflow_image: str
    python_image: str
    access_mode: str
    own: bool
    """Whether it is the kit's: its processes can be stopped, and its nodes cut off."""

    def run(self, *command: str, text: str | None = None, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run kubectl or helm."""
        return subprocess.run(
            command, input=text, env=self.environ, capture_output=True, text=True, timeout=seconds, check=False
        )

    def kit(self, *arguments: str) -> None:
        """Run a command of the kit, `stop kube-apiserver` say; raises RuntimeError with its messages where it fails."""
        command = [sys.executable, "-m", "hack.cluster", *arguments]
        done = subprocess.run(command, cwd=KIT.parents[1], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")

    def helm(self, name: str) -> str | None:
        """The program for `helm3` or `helm4`; None where there is none of that version."""
        path = self.environ["PATH"]
        for program in (name, "helm"):
            executable = shutil.which(program, path=path)
            if executable:
                version = self.run(executable, "version", "--template", "{{.Version}}").stdout
                if re.match(f"v{name[-1]}\\.", version):
                    return executable
        return None


def find() -> Target:
    """The cluster, started if it is the kit's and does not run."""
    image = os.environ.get(IMAGE, "")
    if image:
        if not os.environ.get("KUBECONFIG"):
            raise CannotRunError(f"{IMAGE} is set, but KUBECONFIG is not; set it to the cluster that has this image")
        if not shutil.which("kubectl"):
            raise CannotRunError("kubectl is not installed")
        small = os.environ.get(SMALL_IMAGE, image)
        return Target(dict(os.environ), image, small, os.environ.get(ACCESS_MODE, "ReadWriteMany"), False)
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64" or os.geteuid() != 0:
        raise CannotRunError(
            f"the tests' own cluster needs root on x86-64 Linux; to use another cluster, set KUBECONFIG and {IMAGE}"
        )
    if not (PROGRAMS / "kubectl").exists() and not shutil.which("go"):
        raise CannotRunError("the tests' own cluster is built with Go, which is not installed")
    environ = {**os.environ, "KUBECONFIG": str(KUBECONFIG), "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    target = Target(environ, TENSORFLOW_IMAGE, PYTHON_IMAGE, "ReadWriteMany", True)
    check_version()
    # One that answers is taken as it is: another session may use it, and have cut off a node.
    if not KUBECONFIG.exists() or target.run("kubectl", "get", "--raw=/readyz").returncode != 0:
        try:
            target.kit("up")
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"the cluster could not be started:\n{error.stderr}") from error
    return target
