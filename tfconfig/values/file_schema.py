"""The JSON Schema of one values file, for editors and other checkers."""

from __future__ import annotations

import copy
import functools
import json
import operator
from collections.abc import Mapping
from typing import Any

from tfconfig.values.chart import Chart
from tfconfig.values.helm_yaml import plain


def file_schema(chart: Chart, alias: str = "") -> dict[str, Any]:
    """The schema of a chart without what its defaults provide: keys with a default are not required.

    `alias`: the key under which the file has the values of the chart, for an umbrella chart.
    """
    schema: dict[str, Any] = copy.deepcopy(chart.schema)
    _relax(schema, plain(chart.defaults), schema)
    if not alias:
        return schema
    moved = json.dumps(schema).replace('"$ref": "#/', f'"$ref": "#/properties/{alias}/')
    return {"type": "object", "properties": {alias: json.loads(moved)}}


def _relax(schema: dict[str, Any], defaults: Mapping[str, Any], whole: Any) -> None:
    if "$ref" in schema:
        schema = functools.reduce(operator.getitem, schema["$ref"].split("/")[1:], whole)
    required = [key for key in schema.pop("required", []) if defaults.get(key) is None]
    if required:
        schema["required"] = required
    for key, sub in schema.get("properties", {}).items():
        if isinstance(defaults.get(key), dict):
            _relax(sub, defaults[key], whole)
