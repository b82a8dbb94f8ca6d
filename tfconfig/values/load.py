"""The values of one job: files and --set arguments over the chart's defaults, each leaf with the place that set it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tfconfig.diagnostics import Diagnostic, Origin, dotted
from tfconfig.values.both_helms import read
from tfconfig.values.chart import Chart, UnreadableError, bundled
from tfconfig.values.helm_yaml import Node, kind, plain
from tfconfig.values.merge import merge_maps, over_defaults, over_umbrella
from tfconfig.values.set_flags import SetFlags

NO_MAP = "TFC011"


@dataclass
class Values:
    """Effective values of one job, each with the place that set it.

    `alias`, `umbrella` and `umbrella_file` are for a job inside an umbrella chart: the job's key in the values of that
    chart, those values, and the path of its values.yaml.
    """

    root: Node
    files: tuple[str, ...]  # as the user named them
    chart: Chart
    diagnostics: list[Diagnostic] = field(default_factory=list)  # of the files themselves
    sources: dict[str, str] = field(default_factory=dict)  # file -> its text
    alias: str = ""
    umbrella: Values | None = None
    umbrella_file: str = ""
    shared: frozenset[str] = frozenset()  # files that other jobs have too

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the chart's templates see as .Values."""
        data: dict[str, Any] = plain(self.root)
        return data

    def job_release(self, release: str) -> str:
        """The release name as the job's chart sees it: in an umbrella chart, followed by the job's alias."""
        return f"{release}-{self.alias}" if self.alias else release

    def shown(self, path: Sequence[str | int]) -> str:
        """A path as it stands in the user's files."""
        return dotted([self.alias, *path] if self.alias else path)

    def origin(self, path: Sequence[str | int], key: bool = False) -> Origin:
        """Who set the value at a path. With `key`, the place of its key.

        The nearest map around it that the user wrote, when the value is not set or is a default of the chart.
        """
        best = self.root.origin
        node = self.root
        for part in path:
            child = _child(node, part)
            if child is None:
                return best
            node = child
            if not node.origin.default and _inside(node).file != self.umbrella_file:
                best = _inside(node)
        if node.origin.default:
            return best
        return node.key_origin or node.origin if key else node.origin

    def is_own(self, path: Sequence[str | int]) -> bool:
        """Whether the value at a path is set for this job alone, rather than for several."""
        return self.is_set(path) and self.origin(path).file not in {*self.shared, self.umbrella_file}

    def is_set(self, path: Sequence[str | int]) -> bool:
        """Whether the user set the value at a path (rather than the chart, or nobody)."""
        node = self.root
        for part in path:
            child = _child(node, part)
            if child is None:
                return False
            node = child
        return not node.origin.default


def _child(node: Node, part: str | int) -> Node | None:
    """An entry of a map, also one that a null removed, or of a list."""
    child: Node | None = None
    if isinstance(node.value, dict) and isinstance(part, str):
        child = node.value.get(part) or node.removed.get(part)
    elif isinstance(node.value, list) and isinstance(part, int) and 0 <= part < len(node.value):
        child = node.value[part]
    return child


def _inside(node: Node) -> Origin:
    """Where a message points when something is missing inside: a map is shown by its key, not by all of its text."""
    return node.key_origin or node.origin if isinstance(node.value, dict) else node.origin


def load(
    files: Sequence[str],
    sets: SetFlags | None = None,
    chart: Chart | None = None,
    alias: str = "",
    shared: Sequence[str] = (),
) -> Values:
    """Read and merge a job's values as `helm install -f FILE … --set …` does.

    With an umbrella chart the files are its values, and the job's are those under `alias`. `shared` are those of the
    files that other jobs have too. Files that are not YAML
    count as empty and leave a diagnostic; `-` is standard input. Raises UnreadableError for a file or chart that cannot
    be opened and SetError for a --set argument that Helm refuses. (A chart's schema is read when it is used; that may
    raise UnreadableError too.)
    """
    outer = chart or bundled()
    inner, alias = outer.job(alias)
    root = Node({}, Origin(files[-1], 1, 1, 1, 1) if files else Origin("the --set arguments"))
    values = Values(root, tuple(files), inner, alias=alias, shared=frozenset(shared))
    for file in files:
        merge_maps(root, _add(values, file, _bytes(file)))
    values.diagnostics += (sets or SetFlags()).apply(root)
    if alias:
        values.umbrella_file = str(outer.root / "values.yaml")
        over_umbrella(root, _add(values, values.umbrella_file, outer.file("values.yaml") or b""))
        values.umbrella = Values(root, values.files, outer)
        values.root, refused = _subtree(root, alias)
        values.diagnostics += refused
    over_defaults(values.root, inner.defaults)
    return values


def _add(values: Values, file: str, content: bytes) -> Node:
    document = read(content, file)
    values.sources[file] = document.text
    values.diagnostics += document.diagnostics
    return document.root


def _subtree(root: Node, alias: str) -> tuple[Node, list[Diagnostic]]:
    """The values that Helm hands to a subchart: those under its key, and `global`. It refuses what is no map."""
    refused: list[Diagnostic] = []
    node: Node | None = root.value.get(alias)
    if node and node.value is not None and not isinstance(node.value, dict):
        shown = dotted([alias])
        message = f"{shown}: expected a map, found {kind(node.value)}"
        fix = f"write the values of the job below {shown}, or remove the key"
        refused.append(Diagnostic.at(node.origin, NO_MAP, message, fix, shown))
        node = None
    if node is None or node.value is None:
        node = root.value[alias] = Node({}, root.origin)
    if "global" in root.value:
        node.value.setdefault("global", root.value["global"])
    return node, refused


def _bytes(file: str) -> bytes:
    if file.strip() == "-":
        return sys.stdin.buffer.read()
    if "://" in file:
        raise UnreadableError(f"{file}: values are not read over the network; download the file and give its path")
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as e:
        raise UnreadableError(f"{file}: {getattr(e, 'strerror', None) or e}; give the path of a values file") from None
