"""`tfconfig chart`: the Helm chart of this version."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from tfconfig.commands import paths
from tfconfig.values.chart import bundled


@click.command("chart")
@click.option(
    "--export",
    metavar="DIR",
    type=paths.FOLDER,
    help="Copy the chart to DIR, which must be empty or new.",
)
def command(export: Path | None) -> None:
    """Print the directory of the Helm chart that belongs to this version of tfconfig.

    \b
    helm install my-job "$(tfconfig chart)" -f values.yaml
    """
    root = bundled().root
    if export is None:
        click.echo(root)
        return
    if export.is_dir() and any(export.iterdir()):
        raise click.UsageError(f"{export} is not empty; use a new directory, or remove its content")
    try:
        shutil.copytree(root, export, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as e:
        raise click.UsageError(f"{export}: {e.strerror or e}; use a directory that can be written") from None
    click.echo(f"The chart is in {export}; helm install my-job {export} -f values.yaml", err=True)
