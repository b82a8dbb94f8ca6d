"""`tfconfig schema`: the JSON Schema of the chart's values, for editors and other checkers."""

from __future__ import annotations

import copy
import functools
import json
import operator
from collections.abc import Mapping
from typing import Any

import click

from tfconfig.chart import Chart, bundled
from tfconfig.document import plain


def of_files(chart: Chart) -> dict[str, Any]:
    """The chart's schema as it holds for one values file: what has a default need not be there."""
    schema: dict[str, Any] = copy.deepcopy(chart.schema)
    _relax(schema, plain(chart.defaults), schema)
    return schema


def _relax(schema: dict[str, Any], defaults: Mapping[str, Any], whole: Any) -> None:
    if "$ref" in schema:
        schema = functools.reduce(operator.getitem, schema["$ref"].split("/")[1:], whole)
    needed = [key for key in schema.pop("required", []) if defaults.get(key) is None]
    if needed:
        schema["required"] = needed
    for key, sub in schema.get("properties", {}).items():
        if isinstance(defaults.get(key), dict):
            _relax(sub, defaults[key], whole)


@click.command("schema")
@click.option("--alias", metavar="KEY", help="For an umbrella chart, whose values have the job's under this key.")
def command(alias: str | None) -> None:
    """Print the JSON Schema of a values file.

    An editor with a YAML language server takes it from the file's first line:

    \b
    tfconfig schema > values.schema.json
    # yaml-language-server: $schema=values.schema.json
    """
    text = json.dumps(of_files(bundled()), indent=2)
    if alias is not None:
        text = text.replace('"$ref": "#/', f'"$ref": "#/properties/{alias}/')
        text = json.dumps({"type": "object", "properties": {alias: json.loads(text)}}, indent=2)
    click.echo(text)
