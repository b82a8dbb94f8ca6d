"""The Helm chart of the job: where it is, and the files of it that the tool reads."""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tfconfig.values import chart_archive
from tfconfig.values.helm_yaml import NOT_YAML, Node, kind, plain, read

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
        root = self._yaml("values.yaml", "values.yaml of the chart")
        _mark_default(root)
        return root

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
        content: dict[str, Any] = plain(self._chart_yaml)
        return content

    @cached_property
    def _chart_yaml(self) -> Node:
        root = self._yaml("Chart.yaml", "Chart.yaml")
        if not root.value:
            raise UnreadableError(f"{self.place('Chart.yaml')}: empty; write apiVersion, name and version into it")
        return root

    @cached_property
    def dependencies(self) -> list[dict[str, Any]]:
        """Those of its Chart.yaml, each a map whose names are strings. Raises UnreadableError for others."""
        node = self._chart_yaml.value.get("dependencies")
        if node is None or node.value is None:
            return []
        if not isinstance(node.value, list):
            raise self._wrong(node, "dependencies", f"a list; write - {{name: {NAME}, version: …, repository: …}}")
        for i, entry in enumerate(node.value):
            if not isinstance(entry.value, dict):
                raise self._wrong(entry, f"dependencies[{i}]", f"a map; write - {{name: {NAME}, …}}")
            for key in ("name", "alias", "repository", "condition"):
                child = entry.value.get(key)
                if child and not isinstance(child.value, (str, type(None))):
                    raise self._wrong(child, f"dependencies[{i}].{key}", "a string; quote the value")
        dependencies: list[dict[str, Any]] = plain(node)
        return dependencies

    def _wrong(self, node: Node, path: str, expected: str) -> UnreadableError:
        what, _, fix = expected.partition("; ")
        place = f"{self.place('Chart.yaml')}:{node.origin.line}:{node.origin.column}"
        return UnreadableError(f"{place}: {path}: expected {what}, found {kind(node.value)}; {fix}")

    def place(self, name: str) -> str:
        """A file of it, as messages name it."""
        return f"{self.root}: {name}" if self.root.is_file() else str(self.root / name)

    def _yaml(self, name: str, shown: str) -> Node:
        """The content of a file, whose places have the name that is shown."""
        document = read(self.file(name) or b"", shown)
        for item in document.diagnostics:
            if item.rule == NOT_YAML:
                place = f"{self.place(name)}:{item.line}:{item.column}"
                raise UnreadableError(f"{place}: {item.message}; {item.fix}")
        return document.root

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
        except gzip.BadGzipFile:
            here = self.root.parent
            fix = str(here) if (here / "Chart.yaml").is_file() else "or an archive as helm package makes it"
            raise UnreadableError(f"{self.root} is no archive of a chart; give a chart's directory, {fix}") from None
        except (OSError, tarfile.TarError, EOFError, zlib.error) as e:
            raise UnreadableError(
                f"{self.root}: {getattr(e, 'strerror', None) or e}; give a chart's directory"
            ) from None

    def _json(self, name: str) -> Any:
        try:
            content = json.loads(self.file(name) or b"{}")
        except (ValueError, RecursionError) as e:
            raise UnreadableError(f"{self.root}: {name} is not JSON: {e}") from None
        if not isinstance(content, dict):
            raise UnreadableError(f"{self.place(name)}: expected a map, found {kind(content)}; write {{…}}")
        return content

    def job(self, alias: str = "") -> tuple[Chart, str]:
        """The chart of the job, and its key in the values: this chart itself ("") or a dependency of an umbrella chart.

        Raises UnreadableError where there is none, or several and no alias.
        """
        if self.strategies:
            if alias:
                raise UnreadableError(f"{self.root} is the job's own chart and has no {alias}; leave --alias out")
            return self, ""
        jobs = {entry.get("alias") or NAME: entry for entry in self.dependencies if entry.get("name") == NAME}
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
