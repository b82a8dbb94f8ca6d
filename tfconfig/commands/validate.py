"""`tfconfig validate`: every error in the values of jobs, found without a cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from tfconfig import terminal
from tfconfig.checking import ignores, policy, reporters
from tfconfig.checking.findings import findings
from tfconfig.checking.rules import matching
from tfconfig.commands import options, paths
from tfconfig.diagnostics import ERROR, Diagnostic, has_errors, ordered
from tfconfig.values.chart import Chart, bundled
from tfconfig.values.load import load
from tfconfig.values.set_flags import SetFlags


def _prefixes(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    prefixes = tuple(prefix.strip().upper() for text in given for prefix in text.split(",") if prefix.strip())
    for prefix in prefixes:
        if not matching(prefix):
            raise click.BadParameter(f"{prefix}: no such rule; `tfconfig explain` lists all rules", param=option)
    return prefixes


@click.command("validate", cls=options.FilesCommand)
@click.argument("jobs", nargs=-1, type=paths.TEXT, metavar="[FILE]...")
@options.values
@options.release
@options.chart
@click.option(
    "--policy", "policies", multiple=True, type=paths.TEXT, metavar="FILE", help="A team's own rules: a JSON Schema."
)
@click.option("--rendered", is_flag=True, help="Policies also see the objects that `helm template` renders.")
@options.output("text", *(form for form in reporters.FORMATS if form != "text"))
@click.option("--strict", is_flag=True, help="Report warnings as errors.")
@click.option("--exit-zero", is_flag=True, help="Exit with status 0 even with errors, for a CI that reads the output.")
@click.option("--select", multiple=True, metavar="IDS", callback=_prefixes, help="Only these rules: TFC15,TFC190.")
@click.option("--ignore", multiple=True, metavar="IDS", callback=_prefixes, help="Not these rules.")
def command(
    jobs: Sequence[str],
    files: tuple[str, ...],
    sets: SetFlags,
    release: str,
    chart: Chart | None,
    alias: str,
    policies: tuple[str, ...],
    rendered: bool,
    form: str,
    strict: bool,
    exit_zero: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
) -> None:
    """Check values files, without a cluster.

    Each FILE is one job; it overrides the files of -f. Without FILE, the files of -f are one job together. `-` is
    standard input. A comment `# tfconfig: ignore[ID] reason` on a line, or alone on the line above, ignores the errors
    of that rule there; with a policy only what the policy allows, by default warnings.
    """
    options.require_values(bool(jobs or files or sets), "validate values.yaml")
    if files.count("-") * max(len(jobs), 1) + list(jobs).count("-") > 1:
        raise click.UsageError("standard input can be read only once; write it to a file and name that several times")
    if rendered and "-" in (*files, *jobs):
        raise click.UsageError("helm reads the values too, so standard input cannot be used; write them to a file")
    diagnostics: list[Diagnostic] = []
    sources: dict[str, str] = {}
    try:
        loaded_policies = [policy.load(file) for file in policies]
        for job in [(*files, job) for job in jobs] or [files]:
            values = load(job, sets, chart, alias, shared=files if jobs else ())
            sources.update(values.sources)
            objects = None
            if rendered and not has_errors(findings(values, release)):
                from tfconfig.cluster.rendered import rendered_objects  # here, because most calls need no helm

                root = (chart or bundled()).root
                arguments = [*(f"--values={file}" for file in job), *sets.arguments()]
                objects = rendered_objects(release, root, arguments)
            diagnostics += findings(values, release, loaded_policies, objects)
    except policy.PolicyError as e:
        raise click.UsageError(str(e)) from None
    kept = ignores.apply(
        diagnostics, sources, lambda diagnostic: all(item.may_ignore(diagnostic) for item in loaded_policies)
    )
    diagnostics = ordered(ignores.chosen(kept, select, ignore))
    if strict:
        diagnostics = [replace(diagnostic, severity=ERROR) for diagnostic in diagnostics]
    if form == "text":
        colour = terminal.colour_wanted(sys.stdout)
        click.echo(reporters.text(diagnostics, sources, colour), nl=False, color=colour)
        click.echo(reporters.summary(diagnostics, max(len(jobs), 1)), err=True)
    else:
        click.echo(reporters.FORMATS[form](diagnostics, sources), nl=False)
    if has_errors(diagnostics) and not exit_zero:
        click.get_current_context().exit(1)
