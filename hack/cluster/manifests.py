"""Manifests of other projects: read, changed, applied; by kubectl, because the kit has no reader of YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from . import processes
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


def wait_for_types(names: Iterable[str]) -> None:
    """Wait until the API server has taken in CustomResourceDefinitions.

    `kubectl wait` fails for one whose conditions are still null.
    """

    def established() -> bool:
        found = json.loads(kubectl("get", "crd", *names, "-o", "json"))
        statuses = [item.get("status", {}).get("conditions") or () for item in found.get("items", [found])]
        return all(("Established", "True") in [(one["type"], one["status"]) for one in status] for status in statuses)

    names = list(names)
    processes.wait(f"the types {', '.join(names)} are established", established, ["kube-apiserver"], 60)


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Run kubectl as the administrator, and return its output."""
    if not KUBECONFIG.exists():
        raise KitError("the cluster does not run")
    return run([PROGRAMS / "kubectl", f"--kubeconfig={KUBECONFIG}", *arguments], text=text)
