"""The JSON Schemas of what commands print for programs."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).resolve().parents[4] / "docs" / "schemas"


def validator(command: str) -> Draft202012Validator:
    """For docs/schemas/<command>.schema.json."""
    schema = json.loads((FOLDER / f"{command}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def renamed_and_extended(document: Any) -> Iterator[tuple[str, Any]]:
    """The document with one key renamed, or one key more, at each place where it has an object."""
    for path in _objects(document, ()):
        for key in [*_at(document, path), None]:
            changed = copy.deepcopy(document)
            place = _at(changed, path)
            place["another"] = place.pop(key) if key else 1
            yield f"{path} {key}", changed


def _objects(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(node, dict):
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from _objects(value, (*path, key))


def _at(node: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        node = node[key]
    return node
