"""Options of the commands for a job on a cluster."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tfconfig.commands import paths
from tfconfig.terminal import parse_duration

_Command = TypeVar("_Command", bound=Callable[..., Any])


def cluster(command: _Command) -> _Command:
    """Give a command -n/--namespace and --context, as the parameters `namespace` and `context`."""
    namespace = click.option("-n", "--namespace", metavar="NAME", help="Namespace; default: that of the context.")
    context = click.option("--context", metavar="NAME", help="Context of kubectl; default: the current one.")
    return namespace(context(command))


def report(line: str) -> None:
    """A line about what goes on, beside the output of a command."""
    click.echo(line, err=True)


def same(job: str, namespace: str | None, context: str | None) -> str:
    """The words of another command about this job: its name, and the options that this command was called with."""
    options = [*(["-n", namespace] if namespace else []), *(["--context", context] if context else [])]
    return shlex.join([job, *options])


def release_chart(command: _Command) -> _Command:
    """Give a command that upgrades a release --chart and --alias, as `chart` (None: not given) and `alias`."""
    chart = click.option(
        "--chart", type=paths.TEXT, metavar="CHART",
        help="The chart of the release: a directory, an archive or oci://…; default: the one that comes with tfconfig, "
        "if the release has the same version.",
    )  # fmt: skip
    alias = click.option(
        "--alias",
        default="",
        metavar="KEY",
        help="Key of the job in the values of an umbrella chart; default: its name.",
    )
    result: _Command = chart(alias(command))
    return result


def duration(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """The callback of an option that takes a duration: its seconds."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
