"""The Helm chart that this tool belongs to: where it is and what the tool reads of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import click

from tfconfig.document import Node, read


@dataclass(frozen=True)
class Chart:
    """A chart directory."""

    root: Path

    @cached_property
    def defaults(self) -> Node:
        """The chart's values.yaml; every place is marked as a default."""
        document = read((self.root / "values.yaml").read_bytes(), "values.yaml of the chart")
        _mark_default(document.root)
        return document.root

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The chart's values.schema.json."""
        schema: dict[str, Any] = json.loads((self.root / "values.schema.json").read_text(encoding="utf-8"))
        return schema

    @cached_property
    def strategies(self) -> dict[str, Any]:
        """What each strategy means: name -> {program: roles, server: roles, chief: replicas, ps: replicas}."""
        table: dict[str, Any] = json.loads((self.root / "files" / "strategies.json").read_text(encoding="utf-8"))
        return table


def _mark_default(node: Node) -> None:
    node.origin = replace(node.origin, default=True)
    if node.key_origin:
        node.key_origin = replace(node.key_origin, default=True)
    children = node.value.values() if isinstance(node.value, dict) else node.value
    for child in children if isinstance(node.value, (dict, list)) else ():
        _mark_default(child)


@cache
def bundled() -> Chart:
    """The chart of this installation: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "_chart"
    return Chart(inside if inside.is_dir() else package.parent / "chart")


@click.command("chart")
@click.option(
    "--export",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy the chart into DIR, which must be empty or new.",
)
def command(export: Path | None) -> None:
    """Print the directory of the Helm chart that belongs to this version of tfconfig.

    \b
    helm install my-job "$(tfconfig chart)" -f values.yaml
    """
    chart = bundled()
    if export is None:
        click.echo(chart.root)
        return
    if export.is_dir() and any(export.iterdir()):
        raise click.UsageError(f"{export} is not empty; give a new directory, or remove what is in it")
    ignore = shutil.ignore_patterns("__pycache__")
    try:
        shutil.copytree(chart.root, export, dirs_exist_ok=True, ignore=ignore)
    except OSError as e:
        raise click.UsageError(f"{export}: {e.strerror or e}; give a directory that can be written") from None
    click.echo(f"The chart is in {export}; helm install my-job {export} -f values.yaml", err=True)
