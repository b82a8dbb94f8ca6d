"""Options that several commands share, and the start of every command that needs valid values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from tfconfig.diagnostics import has_errors
from tfconfig.values.chart import Chart, UnreadableError
from tfconfig.values.load import Values, load
from tfconfig.values.set_flags import OPTIONS, SetError, SetFlags

DEFAULT_RELEASE = "release"

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SET_HELP = {
    "typed": ("KEY=VALUE", "Set a value: a.b=1,c[0]=x"),
    "string": ("KEY=TEXT", "Set a string"),
    "json": ("KEY=JSON", "Set a JSON value"),
    "file": ("KEY=FILE", "Set a string to the content of a file"),
    "literal": ("KEY=TEXT", "Set a string in which no character is special"),
}


def values(command: _Command) -> _Command:
    """Give a command Helm's options for values, as the parameters `files` (paths) and `sets` (SetFlags).

    A file that cannot be opened and a --set that Helm refuses are usage errors.
    """

    @functools.wraps(command)
    def wrapper(**parameters: Any) -> Any:
        sets = SetFlags(**{kind: tuple(parameters.pop(f"set_{kind}")) for kind in OPTIONS})
        try:
            return command(sets=sets, **parameters)
        except (SetError, UnreadableError) as e:
            raise click.UsageError(str(e)) from None

    decorated: Any = wrapper
    for kind, (metavar, text) in reversed(_SET_HELP.items()):
        option = click.option(OPTIONS[kind], f"set_{kind}", multiple=True, metavar=metavar, help=f"{text}, as in Helm.")
        decorated = option(decorated)
    files = click.option(
        "-f",
        "--values",
        "files",
        multiple=True,
        metavar="FILE",
        help="Values file; later ones override earlier ones. `-`: standard input.",
    )
    result: _Command = files(decorated)
    return result


def require_values(given: bool, example: str) -> None:
    """Raise a usage error where the command line has no values at all. `example`: a command line that has."""
    if not given:
        raise click.UsageError(f"no values given; name a values file: tfconfig {example}")


def load_valid(
    files: Sequence[str], sets: SetFlags, release: str, chart: Chart | None = None, alias: str = ""
) -> Values:
    """The values of a job, for a command that needs valid ones.

    Without any values the call is a usage error. Errors and warnings are printed on standard error; with errors the
    command ends with status 1.
    """
    from tfconfig.checking import findings, reporters  # here, because loading the rules takes time

    require_values(bool(files or sets), f"{click.get_current_context().info_name} -f values.yaml")
    loaded = load(files, sets, chart, alias)
    diagnostics = findings.blocking(loaded, release)
    click.echo(reporters.text(diagnostics, loaded.sources), err=True, nl=False)
    if has_errors(diagnostics):
        raise click.ClickException("the values have errors; fix them first")
    return loaded


def release(command: _Command) -> _Command:
    """Give a command --release, as the parameter `release`, and --namespace, which has no effect."""
    name = click.option(
        "--release", default=DEFAULT_RELEASE, show_default=True, metavar="NAME",
        help="Name of the Helm release; the names of the tasks start with it.",
    )  # fmt: skip
    namespace = click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        expose_value=False,
        help="Ignored; accepted so that a helm command line can be reused.",
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
        help="The job in an umbrella chart with several jobs: its key in the values.",
    )  # fmt: skip
    result: _Command = where(alias(command))
    return result
