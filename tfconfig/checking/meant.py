"""The map that somebody meant who wrote something else, to show in an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfconfig.diagnostics import spelt
from tfconfig.values import image_reference
from tfconfig.values.job_spec import ROLES


def a_map(value: Any, schema: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    """A map in the form that the schema has, from the value where that is clear."""
    key = str(next((part for part in reversed(path) if isinstance(part, str)), ""))
    if key == "image" and isinstance(value, str) and value:
        repository, tag, digest = image_reference.parse(value) or (value, "", "")
        if digest:
            return f"{{repository: {repository}, digest: {digest}}}"
        return f'{{repository: {repository}, tag: "{tag or "1.0"}"}}'
    if key in ROLES and isinstance(value, int) and not isinstance(value, bool):
        return f"{{replicas: {value}}}"
    if key == "program" and isinstance(value, (str, list)):
        command = value.split() if isinstance(value, str) else [spelt(word) for word in value]
        return f"{{command: [{', '.join(command)}]}}"
    if len(path) == 2 and path[0] == "data":
        given = value if isinstance(value, str) and value else ""
        mount, claim = (given, "") if given.startswith("/") else ("", given)
        return f"{{mountPath: {mount or '…'}, existingClaim: {claim or '…'}}}"
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        shown = ", ".join(f"{item['name']}: …" for item in value[:3])
        return f"{{{shown}}}"
    required = list(schema.get("required") or [])
    if isinstance(value, str) and value and len(required) == 1:
        return f"{{{required[0]}: {value}}}"
    for name, child in (schema.get("properties") or {}).items():
        if isinstance(value, str) and value in (child.get("enum") or []):
            return f"{{{name}: {value}}}"
    names = (required or list(schema.get("properties") or {}))[:2]
    if names:
        return f"{{{', '.join(f'{name}: …' for name in names)}}}"
    return "{key: value}"
