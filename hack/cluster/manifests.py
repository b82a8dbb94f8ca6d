"""Manifests of other projects: read, changed, applied; by kubectl, because the kit has no reader of YAML."""

from __future__ import annotations

import json
from typing import Any

from .settings import KUBECONFIG, PROGRAMS
from .shell import KitError, run

Object = dict[str, Any]


def read(text: str) -> list[Object]:
    """Return the objects in a text of YAML."""
    text = kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", text=text)
    objects: list[Object] = []
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        item, end = decoder.raw_decode(text)
        objects += item["items"] if item["kind"] == "List" else [item]
        text = text[end:]
    return objects


def apply(objects: list[Object]) -> None:
    """Create the objects, or make them what is given."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=text)


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Run kubectl as the administrator, and return its output."""
    if not KUBECONFIG.exists():
        raise KitError("the cluster does not run")
    return run([PROGRAMS / "kubectl", f"--kubeconfig={KUBECONFIG}", *arguments], text=text)
