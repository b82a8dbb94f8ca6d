"""The Helm chart that this tool belongs to: where it is and what the tool reads of it."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import click

from tfconfig.values.helm_yaml import Node, plain, read

NAME = "tensorflow-job"
STRATEGIES = "files/strategies.json"


class ChartError(Exception):
    """What is no chart of such a job: a wrong call, not a finding. Says why and what to do."""


@dataclass(frozen=True)
class Chart:
    """A chart: a directory, or an archive as `helm package` makes it."""

    root: Path

    @cached_property
    def defaults(self) -> Node:
        """The chart's values.yaml; every place is marked as a default."""
        document = read(self.file("values.yaml") or b"", "values.yaml of the chart")
        _mark_default(document.root)
        return document.root

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The chart's values.schema.json; empty without one."""
        schema: dict[str, Any] = self._json("values.schema.json")
        return schema

    @cached_property
    def strategies(self) -> dict[str, Any]:
        """What each strategy means: name -> {program: roles, server: roles, chief: replicas, ps: replicas}."""
        table: dict[str, Any] = self._json(STRATEGIES)
        return table

    def file(self, name: str) -> bytes | None:
        """The content of a file; None where the chart has none of that name. Raises ChartError for what is no chart."""
        try:
            if self.root.is_file():
                return _member(self.root, name)
            if not (self.root / "Chart.yaml").is_file():
                raise ChartError(f"{self.root} is no Helm chart; give the directory that has its Chart.yaml")
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, tarfile.TarError, EOFError) as e:
            raise ChartError(f"{self.root}: {getattr(e, 'strerror', None) or e}; give a chart's directory") from None

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self.file(name) or b"{}")
        except ValueError as e:
            raise ChartError(f"{self.root}: {name} is not JSON: {e}") from None

    def job(self, alias: str = "") -> tuple[Chart, str]:
        """The chart of the job, and its key in the values: this chart itself ("") or a dependency of an umbrella."""
        if self.strategies:
            if alias:
                raise ChartError(f"{self.root} is the job's own chart and has no {alias}; leave --alias out")
            return self, ""
        metadata = plain(read(self.file("Chart.yaml") or b"", "Chart.yaml").root)
        dependencies = [one for one in metadata.get("dependencies") or [] if one.get("name") == NAME]
        jobs = {one.get("alias") or NAME: one for one in dependencies}
        if not jobs:
            raise ChartError(f"{self.root} has no dependency {NAME}; give its chart, or one that depends on it")
        if alias not in jobs and (alias or len(jobs) > 1):
            found = f"no {alias}" if alias else "several jobs"
            raise ChartError(f"{self.root} has {found}; give --alias one of {', '.join(jobs)}")
        alias = alias or next(iter(jobs))
        return self._dependency(jobs[alias]), alias

    def _dependency(self, dependency: dict[str, Any]) -> Chart:
        """Where `helm dependency build` put it, else where its repository says, else the chart of this installation."""
        places = [self.root / "charts" / NAME, *sorted((self.root / "charts").glob(f"{NAME}-*.tgz"))]
        repository = str(dependency.get("repository") or "")
        if repository.startswith("file://"):
            places.append(self.root / repository.removeprefix("file://"))
        return Chart(next((place for place in places if place.exists()), bundled().root))


def _member(archive: Path, name: str) -> bytes | None:
    """A file of an archive, in which everything is below one folder."""
    with tarfile.open(archive) as tar:
        for one in tar:
            if one.isfile() and one.name.partition("/")[2] == name and (file := tar.extractfile(one)):
                return file.read()
    return None


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
    package = Path(__file__).resolve().parents[1]
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
