"""Options of the commands for a job on a cluster."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tfconfig.terminal import parse_duration

INTERRUPTED = 130
_Command = TypeVar("_Command", bound=Callable[..., Any])


def cluster(command: _Command) -> _Command:
    """Give a command -n/--namespace and --context, as the parameters `namespace` and `context`.

    Ctrl-C exits 130: 1 would mean that the job has failed.
    """

    @functools.wraps(command)
    def wrapper(**parameters: Any) -> Any:
        try:
            return command(**parameters)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)

    namespace = click.option("-n", "--namespace", metavar="NAME", help="Namespace; default: that of the context.")
    context = click.option("--context", metavar="NAME", help="Context of kubectl; default: the current one.")
    decorated: Any = wrapper
    result: _Command = namespace(context(decorated))
    return result


def duration(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """The callback of an option that takes a duration: its seconds."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
