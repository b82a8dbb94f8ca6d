"""`tfconfig schema`: the JSON Schema of the chart's values, for editors and other checkers."""

from __future__ import annotations

import copy
import functools
import json
import operator
from collections.abc import Mapping
from typing import Any

import click

from tfconfig.commands import options
from tfconfig.values.chart import Chart, ChartError, bundled
from tfconfig.values.helm_yaml import plain


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
@options.chart
def command(chart: Chart | None, alias: str) -> None:
    """Print the JSON Schema of a values file.

    An editor with a YAML language server takes it from the file's first line:

    \b
    tfconfig schema > values.schema.json
    # yaml-language-server: $schema=values.schema.json
    """
    key = alias
    if chart is not None:
        try:
            chart, key = chart.job(alias)
        except ChartError as e:
            raise click.UsageError(str(e)) from None
    text = json.dumps(of_files(chart or bundled()), indent=2)
    if key:
        text = text.replace('"$ref": "#/', f'"$ref": "#/properties/{key}/')
        text = json.dumps({"type": "object", "properties": {key: json.loads(text)}}, indent=2)
    click.echo(text)
