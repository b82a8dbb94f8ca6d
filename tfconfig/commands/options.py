"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tfconfig.values.chart import Chart
from tfconfig.values.load import UnreadableError
from tfconfig.values.set_flags import SetError, SetFlags

DEFAULT_RELEASE = "release"

_Command = TypeVar("_Command", bound=Callable[..., Any])
SETS = {
    "typed": ("--set", "KEY=VALUE", "Set a value: a.b=1,c[0]=x"),
    "string": ("--set-string", "KEY=TEXT", "Set a text"),
    "json": ("--set-json", "KEY=JSON", "Set a JSON value"),
    "file": ("--set-file", "KEY=FILE", "Set a text to a file's content"),
    "literal": ("--set-literal", "KEY=TEXT", "Set a text, in which no character is special"),
}


def values(command: _Command) -> _Command:
    """Give a command Helm's options for values, as the parameters `files` (paths) and `sets` (SetFlags).

    A file that cannot be opened and a --set that Helm refuses end it as wrong usage, with exit status 2.
    """

    @functools.wraps(command)
    def wrapper(**parameters: Any) -> Any:
        sets = SetFlags(**{kind: tuple(parameters.pop(f"set_{kind}")) for kind in SETS})
        try:
            return command(sets=sets, **parameters)
        except (SetError, UnreadableError) as e:
            raise click.UsageError(str(e)) from None

    decorated: Any = wrapper
    for kind, (flag, metavar, text) in reversed(SETS.items()):
        option = click.option(flag, f"set_{kind}", multiple=True, metavar=metavar, help=f"{text}, as Helm does.")
        decorated = option(decorated)
    files = click.option(
        "-f",
        "--values",
        "files",
        multiple=True,
        metavar="FILE",
        help="Values file; the last one wins. `-`: standard input.",
    )
    result: _Command = files(decorated)
    return result


def release(command: _Command) -> _Command:
    """Give a command --release, as the parameter `release`, and --namespace, which nothing depends on."""
    name = click.option(
        "--release", default=DEFAULT_RELEASE, show_default=True, metavar="NAME",
        help="Name that the job will be installed under; the names of its tasks start with it.",
    )  # fmt: skip
    namespace = click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        expose_value=False,
        help="As for Helm; no address depends on it.",
    )
    result: _Command = name(namespace(command))
    return result


def chart(command: _Command) -> _Command:
    """Give a command --chart and --alias, as the parameters `chart` (None: the tool's own) and `alias`."""
    where = click.option(
        "--chart", type=click.Path(path_type=Path), metavar="CHART",
        callback=lambda _, __, path: path and Chart(path),
        help="Another version of the chart, or an umbrella chart that depends on it: a directory or an archive.",
    )  # fmt: skip
    alias = click.option(
        "--alias", default="", metavar="KEY",
        help="Which job of an umbrella chart: its key in the values. With one job: that one.",
    )  # fmt: skip
    result: _Command = where(alias(command))
    return result
