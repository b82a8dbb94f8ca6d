"""`tfconfig schema`: the JSON Schema of a values file."""

from __future__ import annotations

import json

import click

from tfconfig.commands import options
from tfconfig.values.chart import Chart, UnreadableError, bundled
from tfconfig.values.file_schema import file_schema


@click.command("schema")
@options.chart
def command(chart: Chart | None, alias: str) -> None:
    """Print the JSON Schema of a values file.

    An editor with a YAML language server reads its name from the first line of the file:

    \b
    tfconfig schema > values.schema.json
    # yaml-language-server: $schema=values.schema.json
    """
    try:
        job_chart, key = chart.job(alias) if chart else (bundled(), alias)
        schema = file_schema(job_chart, key)
    except UnreadableError as e:
        raise click.UsageError(str(e)) from None
    click.echo(json.dumps(schema, indent=2))
