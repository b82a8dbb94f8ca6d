"""`tfconfig init`: a values file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from tfconfig.values.starter import STRATEGIES, starter

_Strategy = click.Choice(list(STRATEGIES), case_sensitive=False)


@click.command("init")
@click.argument("strategy", metavar="STRATEGY", type=_Strategy)
@click.option("-o", "--output", default="values.yaml", show_default=True, metavar="FILE", help="`-`: standard output.")
def command(strategy: str, output: str) -> None:
    """Write a commented values file for a job of this strategy.

    Which strategy? Two or more workers that mirror the variables: MultiWorkerMirrored. Parameter servers with TF2:
    ParameterServer. A TF1 program with --job_name and --ps_hosts: BetweenGraph, or InGraph if one task runs the
    graph of all. A program written for TFJob: Custom.
    """
    if output == "-":
        click.echo(starter(strategy), nl=False)
        return
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(starter(strategy, output))
    except FileExistsError:
        raise click.UsageError(f"{output} exists; name another file with --output, or remove it") from None
    except OSError as e:
        raise click.UsageError(f"{output}: {e.strerror or e}; name a file that can be written") from None
    click.echo(f"{output} written; next: set your image and program, then run tfconfig validate {output}", err=True)
