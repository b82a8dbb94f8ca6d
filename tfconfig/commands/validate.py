"""`tfconfig validate`: every mistake in a job's values, found without a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

import click

from tfconfig.checking import ignores, policy, reporters, rules, schema
from tfconfig.commands import options
from tfconfig.diagnostics import ERROR, Diagnostic, ordered
from tfconfig.values.chart import Chart
from tfconfig.values.load import Values, load
from tfconfig.values.set_flags import SetFlags


def findings(
    values: Values, release: str = options.DEFAULT_RELEASE, policies: Sequence[policy.Policy] = ()
) -> list[Diagnostic]:
    """All that is wrong with these values: in the files themselves, by the chart's schema, by rules, by policies."""
    if any(d.rule == ignores.UNREADABLE for d in values.diagnostics):
        return ordered(values.diagnostics)  # what an unreadable file lacks is not a mistake of its own
    refused = schema.check(values)
    across = rules.check(values, release, refused)
    return ordered([*values.diagnostics, *refused, *across, *policy.check(values, policies)])


def have_mistakes(values: Values, release: str) -> bool:
    """Whether a command cannot go on with these values; what was found is told on standard error.

    A comment may silence a warning here. An error stays one, because what follows would trip over it.
    """
    found = findings(values, release)
    kept = set(ignores.apply(found, values.sources))
    shown = [d for d in found if d.severity == ERROR or d in kept]
    click.echo(reporters.text(shown, values.sources), err=True, nl=False)
    return any(d.severity == ERROR for d in shown)


def _prefixes(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    from tfconfig.commands.explain import known

    prefixes = tuple(one.strip().upper() for text in given for one in text.split(",") if one.strip())
    for one in prefixes:
        if not known(one):
            raise click.BadParameter(f"{one}: no rule has such an id; `tfconfig explain` lists them", param=option)
    return prefixes


@click.command("validate")
@click.argument("jobs", nargs=-1, metavar="[FILE]...")
@options.values
@options.release
@options.chart
@click.option("--policy", "policies", multiple=True, metavar="FILE", help="A team's own rules: a JSON Schema.")
@click.option("--format", "form", type=click.Choice(list(reporters.FORMATS)), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@click.option("--exit-zero", is_flag=True, help="End with 0 whatever was found, for a CI that reads the output.")
@click.option("--select", multiple=True, metavar="IDS", callback=_prefixes, help="These rules alone: TFC15,TFC190.")
@click.option("--ignore", multiple=True, metavar="IDS", callback=_prefixes, help="Not these rules.")
def command(
    jobs: Sequence[str],
    files: tuple[str, ...],
    sets: SetFlags,
    release: str,
    chart: Chart | None,
    alias: str,
    policies: tuple[str, ...],
    form: str,
    strict: bool,
    exit_zero: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
) -> None:
    """Check values files before a cluster sees them.

    Each FILE is one job, laid over the files of -f. Without FILE, the files of -f are one job together. `-` is standard
    input. A comment `# tfconfig: ignore[ID] reason` on a line, or alone above it, silences what is found there, but not
    what a policy refuses.

    Ends with 0 when there is no error (with --strict: no warning either), 1 with findings, 2 when called wrongly.
    """
    if not (jobs or files or any(vars(sets).values())):
        raise click.UsageError("no values given; name a values file: tfconfig validate values.yaml")
    if files.count("-") * max(len(jobs), 1) + list(jobs).count("-") > 1:
        raise click.UsageError("standard input can be read once; write it to a file and give that several times")
    found: list[Diagnostic] = []
    sources: dict[str, str] = {}
    try:
        rules_of_teams = [policy.load(file) for file in policies]
        for job in [(*files, job) for job in jobs] or [files]:
            values = load(job, sets, chart, alias)
            sources.update(values.sources)
            found += findings(values, release, rules_of_teams)
    except policy.PolicyError as e:
        raise click.UsageError(str(e)) from None
    found = ordered(_chosen(ignores.apply(found, sources), select, ignore))
    if strict:
        found = [replace(d, severity=ERROR) for d in found]
    if form == "text":
        colour = reporters.colour_wanted(sys.stdout.isatty())
        click.echo(reporters.text(found, sources, colour), nl=False, color=colour)
        click.echo(summary(found, max(len(jobs), 1)), err=True)
    else:
        click.echo(reporters.FORMATS[form](found, sources), nl=False)
    if any(d.severity == ERROR for d in found) and not exit_zero:
        click.get_current_context().exit(1)


def _chosen(found: Iterable[Diagnostic], select: tuple[str, ...], ignore: tuple[str, ...]) -> list[Diagnostic]:
    """What --select and --ignore leave; that a file cannot be read is always told."""
    return [
        d
        for d in found
        if d.rule == ignores.UNREADABLE
        or ((not select or d.rule.startswith(select)) and not (ignore and d.rule.startswith(ignore)))
    ]


def summary(found: Sequence[Diagnostic], jobs: int) -> str:
    """One line for people."""
    mistakes = sum(d.severity == ERROR for d in found)
    counts = [(mistakes, "mistake"), (len(found) - mistakes, "warning")]
    told = [f"{number} {word}{'s' * (number > 1)}" for number, word in counts if number]
    return f"{jobs} job{'s' * (jobs > 1)} checked, {' and '.join(told) or 'no mistake'} found"
