"""The user's helm: its version, what it renders, and what it does to releases."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from tfconfig.terminal import escaped_line
from tfconfig.values.libyaml import loader

MISSING = "helm is not on PATH; install it: https://helm.sh/docs/intro/install/"


class HelmError(click.ClickException):
    """There is no helm, or it fails. The command exits 2."""

    exit_code = 2


def version() -> str:
    """`v3.22.0`; empty where there is no helm."""
    try:
        return _run(["version", "--template", "{{.Version}}"]).strip()
    except FileNotFoundError:
        return ""


def template(
    release: str, namespace: str, chart: Path, kube_version: str, values: Sequence[str]
) -> list[dict[str, Any]]:
    """The objects of a release; `values` are Helm's own arguments for values. Raises HelmError."""
    text = manifest(release, chart, [f"--namespace={namespace}", f"--kube-version={kube_version}", *values])
    return [item for item in yaml.load_all(text, loader()) if item]


def scope(namespace: str, context: str | None) -> list[str]:
    """Helm's own options for the namespace and the context of a call."""
    return [f"--namespace={namespace}", *([f"--kube-context={context}"] if context else [])]


def manifest(release: str, chart: Path, arguments: Sequence[str]) -> str:
    """What `helm template` prints. Raises HelmError."""
    return call(["template", release, str(chart), *arguments])


def call(arguments: Sequence[str]) -> str:
    """What `helm ARGUMENTS` prints. Raises HelmError."""
    try:
        return _run([*arguments])
    except FileNotFoundError:
        raise HelmError(MISSING) from None


def document(arguments: Sequence[str]) -> Any:
    """What `helm ARGUMENTS --output=json` prints; None for nothing. Raises HelmError, also where it is no JSON."""
    text = call([*arguments, "--output=json"])
    try:
        return json.loads(text or "null")
    except ValueError:
        raise HelmError(f"helm {arguments[0]} printed what is no JSON: {escaped_line(text[:80])}") from None


def _run(arguments: list[str]) -> str:
    # What a template prints with `fail` may be anything, and no UTF-8.
    result = subprocess.run(["helm", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False)
    if result.returncode != 0:
        text = "\n".join(map(escaped_line, result.stderr.strip().splitlines()))
        raise HelmError(f"helm {arguments[0]} failed: {text}")
    return result.stdout
