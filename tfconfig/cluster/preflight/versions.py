"""The versions of Kubernetes and Helm."""

from __future__ import annotations

import re

from tfconfig.cluster.preflight.check import ERROR, OK, Check

HELM_MAJORS = (3, 4)


def numbers(version: str) -> tuple[int, int]:
    """Major and minor of `v1.30.1-gke.100` or `>=1.28.0-0`; (0, 0) for no version."""
    match = re.search(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def kubernetes_version(version: str, required: str) -> Check:
    """The cluster's version against the chart's kubeVersion."""
    if numbers(version) >= numbers(required):
        return Check("Kubernetes", OK, version)
    return Check("Kubernetes", ERROR, f"{version}; the chart needs {required}", "use a newer cluster")


def helm_version(version: str) -> Check:
    """The version of the user's helm; empty without one."""
    fix = "install Helm 3 or 4: https://helm.sh/docs/intro/install/"
    if not version:
        return Check("Helm", ERROR, "helm is not on PATH", fix)
    if numbers(version)[0] in HELM_MAJORS:
        return Check("Helm", OK, version)
    return Check("Helm", ERROR, f"{version}; the chart needs Helm 3 or 4", fix)
