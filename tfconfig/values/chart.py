"""The Helm chart of the job: where it is, and the files of it that the tool reads."""

from __future__ import annotations

import json
import tarfile
import zlib
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tfconfig.values import chart_archive
from tfconfig.values.helm_yaml import Node, plain, read

NAME = "tensorflow-job"
STRATEGIES = "files/strategies.json"


class UnreadableError(Exception):
    """A values file or a chart that cannot be read: a usage error, not a diagnostic. Says why and what to do."""


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

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The chart's Chart.yaml."""
        content: dict[str, Any] = plain(read(self.file("Chart.yaml") or b"", "Chart.yaml").root)
        return content

    def file(self, name: str) -> bytes | None:
        """The content of a file; None where the chart has none of that name. Raises UnreadableError."""
        try:
            if self.root.is_file():
                return chart_archive.member(self.root, name)
            if not (self.root / "Chart.yaml").is_file():
                raise UnreadableError(f"{self.root} is not a Helm chart; give the directory that has its Chart.yaml")
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, tarfile.TarError, EOFError, zlib.error) as e:
            raise UnreadableError(
                f"{self.root}: {getattr(e, 'strerror', None) or e}; give a chart's directory"
            ) from None

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self.file(name) or b"{}")
        except ValueError as e:
            raise UnreadableError(f"{self.root}: {name} is not JSON: {e}") from None

    def job(self, alias: str = "") -> tuple[Chart, str]:
        """The chart of the job, and its key in the values: this chart itself ("") or a dependency of an umbrella chart.

        Raises UnreadableError where there is none, or several and no alias.
        """
        if self.strategies:
            if alias:
                raise UnreadableError(f"{self.root} is the job's own chart and has no {alias}; leave --alias out")
            return self, ""
        dependencies = [entry for entry in self.metadata.get("dependencies") or [] if entry.get("name") == NAME]
        jobs = {entry.get("alias") or NAME: entry for entry in dependencies}
        if not jobs:
            raise UnreadableError(f"{self.root} has no dependency {NAME}; give its chart, or one that depends on it")
        if alias not in jobs and (alias or len(jobs) > 1):
            problem = f"no {alias}" if alias else "several jobs"
            raise UnreadableError(f"{self.root} has {problem}; give --alias one of {', '.join(jobs)}")
        alias = alias or next(iter(jobs))
        return self._dependency(jobs[alias]), alias

    def _dependency(self, dependency: dict[str, Any]) -> Chart:
        """Where `helm dependency build` put it, else where its repository says, else the chart of this installation."""
        places = [self.root / "charts" / NAME, *sorted((self.root / "charts").glob(f"{NAME}-*.tgz"))]
        repository = str(dependency.get("repository") or "")
        if repository.startswith("file://"):
            places.append(self.root / repository.removeprefix("file://"))
        return Chart(next((place for place in places if place.exists()), bundled().root))


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
