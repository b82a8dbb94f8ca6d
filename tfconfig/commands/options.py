"""Options that several commands share, and the start of every command that needs valid values."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from tfconfig.commands import paths
from tfconfig.diagnostics import has_errors
from tfconfig.terminal import visible
from tfconfig.values.chart import Chart, UnreadableError
from tfconfig.values.load import Values, load
from tfconfig.values.paths import exists
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


class FilesCommand(click.Command):
    """A command of many files, where a file that is named like an option is an error, and not the option.

    `*.yaml` of a shell and pre-commit put names of others between the options; `--ignore=TFC.yaml` may be one.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse it, unless it stands after `--`."""
        for word in itertools.takewhile("--".__ne__, args):
            if word.startswith("-") and exists(Path(word)):
                raise click.UsageError(f"{visible(word)} is a file; write ./ before it, or -- before all files", ctx)
        return super().parse_args(ctx, args)


def job_values(command: _Command) -> _Command:
    """Give a command that reads one job Helm's options for values and an argument FILE, which overrides those of -f."""

    @functools.wraps(command)
    def wrapper(files: tuple[str, ...], job_files: tuple[str, ...], **parameters: Any) -> Any:
        if len(job_files) > 1:
            name, *others = job_files
            command_name = click.get_current_context().info_name
            raise click.UsageError(
                f"{command_name} takes one job; values files of the same job: -f {name} -f {' -f '.join(others)}"
            )
        return command(files=(*files, *job_files), **parameters)

    argument = click.argument("job_files", nargs=-1, type=paths.TEXT, metavar="[FILE]")
    decorated: Any = wrapper
    result: _Command = argument(values(decorated))
    return result


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
            raise click.UsageError(visible(str(e))) from None

    decorated: Any = wrapper
    for kind, (metavar, text) in reversed(_SET_HELP.items()):
        option = click.option(OPTIONS[kind], f"set_{kind}", multiple=True, metavar=metavar, help=f"{text}, as in Helm.")
        decorated = option(decorated)
    files = click.option(
        "-f",
        "--values",
        "files",
        multiple=True,
        type=paths.TEXT,
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
    files: Sequence[str],
    sets: SetFlags,
    release: str,
    chart: Chart | None = None,
    alias: str = "",
    installs: bool = False,
) -> Values:
    """The values of a job, for a command that needs valid ones.

    `installs`: they are to be installed next. Without any values the call is a usage error. Errors and warnings are
    printed on standard error; with errors the command ends with status 1.
    """
    from tfconfig.checking import findings, reporters  # here, because loading the rules takes time

    require_values(bool(files or sets), f"{click.get_current_context().info_name} values.yaml")
    loaded = load(files, sets, chart, alias)
    diagnostics = findings.blocking(loaded, release, installs)
    click.echo(reporters.text(diagnostics, loaded.sources), err=True, nl=False)
    if has_errors(diagnostics):
        raise click.ClickException("the values have errors; fix them first")
    return loaded


def release_name(command: _Command) -> _Command:
    """Give a command --release, as the parameter `release`."""
    return click.option(
        "--release", default=DEFAULT_RELEASE, show_default=True, metavar="NAME",
        help="Name of the Helm release; the names of the tasks start with it.",
    )(command)  # fmt: skip


def release(command: _Command) -> _Command:
    """Give a command --release, as the parameter `release`, and --namespace, which has no effect."""
    namespace = click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        expose_value=False,
        help="Ignored; accepted so that a helm command line can be reused.",
    )
    return release_name(namespace(command))


def output(*formats: str, text: str = "Output format.") -> Callable[[_Command], _Command]:
    """Give a command -o/--output, as the parameter `form`; the first format is the default."""
    return click.option(
        "-o", "--output", "form", type=click.Choice(formats), default=formats[0], show_default=True, help=text
    )


def chart(command: _Command) -> _Command:
    """Give a command --chart and --alias, as the parameters `chart` (None: the tool's own) and `alias`."""
    where = click.option(
        "--chart", type=paths.PATH, metavar="CHART",
        callback=lambda _, __, path: path and Chart(path),
        help="Another version of the chart, or an umbrella chart that depends on it: a directory or an archive.",
    )  # fmt: skip
    alias = click.option(
        "--alias", default="", metavar="KEY",
        help="The job in an umbrella chart with several jobs: its key in the values.",
    )  # fmt: skip
    result: _Command = where(alias(command))
    return result
