"""The objects that `helm template` renders, read as Helm reads them, for policies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfconfig.cluster.helm import HelmError, manifest
from tfconfig.terminal import visible
from tfconfig.values.helm_yaml import plain, read

_KUBERNETES = "1.34.0"  # without a cluster, a Helm built from source assumes one that the chart does not support
# https://github.com/helm/helm/blob/main/pkg/release/v1/util/manifest.go
_SEPARATOR = re.compile(r"(?:^|\s*\n)---\s*")


def rendered_objects(release: str, chart: Path, values: Sequence[str]) -> dict[str, Any]:
    """The objects of a release by `Kind/name`; `values` are Helm's own arguments for values. Raises HelmError."""
    text = manifest(release, chart, [f"--kube-version={_KUBERNETES}", "--include-crds", *values])
    objects: dict[str, Any] = {}
    for item in _objects(text):
        metadata = item.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else ""
        key = f"{item.get('kind')}/{name}"
        while key in objects:
            key += "+"  # another namespace or API group: both are to be seen
        objects[key] = item
    return objects


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    for part in _SEPARATOR.split(text):
        document = read(part.encode(), "the output of helm template")
        for diagnostic in document.diagnostics:
            raise HelmError(f"helm template printed what is no Kubernetes object: {visible(diagnostic.message)}")
        item = plain(document.root)
        if isinstance(item.get("items"), list) and str(item.get("kind")).endswith("List"):
            yield from (entry for entry in item["items"] if isinstance(entry, Mapping))
        if item:
            yield item
