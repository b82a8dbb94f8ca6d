"""The user's helm, for what only it can tell: its version, and what it makes of a chart."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from tfconfig.values.set_flags import SetFlags


class HelmError(click.ClickException):
    """There is no helm, or it does not do what it should."""

    exit_code = 2


def version() -> str:
    """`v3.22.0`; empty where there is no helm."""
    try:
        return _run(["version", "--template", "{{.Version}}"]).strip()
    except FileNotFoundError:
        return ""


def template(
    release: str, namespace: str, chart: Path, files: Sequence[str], sets: SetFlags, kube_version: str
) -> list[dict[str, Any]]:
    """The objects that an install would make. Raises HelmError."""
    options = [f"--namespace={namespace}", f"--kube-version={kube_version}"]
    options += [f"--values={file}" for file in files]
    options += sets.arguments()
    try:
        text = _run(["template", release, str(chart), *options])
    except FileNotFoundError:
        raise HelmError("there is no helm on PATH; install it: https://helm.sh/docs/intro/install/") from None
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def _run(arguments: list[str]) -> str:
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HelmError(f"helm {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
