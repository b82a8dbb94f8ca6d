"""`tfconfig validate`: every mistake in a job's values, found without a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tfconfig import options, rules, schema
from tfconfig.diagnostics import FORMATS, Diagnostic, ordered
from tfconfig.setflags import SetFlags
from tfconfig.values import Values, load


def findings(values: Values, release: str = options.DEFAULT_RELEASE) -> list[Diagnostic]:
    """All that is wrong with these values: the files themselves, the chart's schema, the rules across fields."""
    if any(d.rule == "TFC001" for d in values.diagnostics):
        return ordered(values.diagnostics)  # what an unreadable file lacks is not a mistake of its own
    refused = schema.check(values)
    return ordered([*values.diagnostics, *refused, *rules.check(values, release, well_formed=not refused)])


@click.command("validate")
@click.argument("jobs", nargs=-1, metavar="[FILE]...")
@options.values
@options.release
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), default="text", show_default=True)
def command(jobs: Sequence[str], files: tuple[str, ...], sets: SetFlags, release: str, form: str) -> None:
    """Check values files before a cluster sees them.

    Each FILE is one job, laid over the files of -f. Without FILE, the files of -f are one job together.

    Ends with 0 when nothing was found, 1 with findings, 2 when called wrongly.
    """
    if not (jobs or files or any(vars(sets).values())):
        raise click.UsageError("no values given; name a values file: tfconfig validate values.yaml")
    found: list[Diagnostic] = []
    sources: dict[str, str] = {}
    for job in [(*files, job) for job in jobs] or [files]:
        values = load(job, sets)
        sources.update(values.sources)
        found += findings(values, release)
    found = ordered(found)
    click.echo(FORMATS[form](found, sources), nl=False)
    if form == "text":
        click.echo(summary(found, max(len(jobs), 1)), err=True)
    if found:
        click.get_current_context().exit(1)


def summary(found: Sequence[Diagnostic], jobs: int) -> str:
    """One line for people."""
    what = "1 job" if jobs == 1 else f"{jobs} jobs"
    if not found:
        return f"{what} checked, no mistake found"
    mistakes = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    return f"{what} checked, {mistakes} found"
