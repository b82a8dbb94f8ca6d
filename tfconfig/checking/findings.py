"""All diagnostics of a job's values, for `tfconfig validate` and for the commands that need valid values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfconfig.checking import ignores, kubernetes_object, limits, policy, rules, schema, umbrella
from tfconfig.diagnostics import ERROR, Diagnostic, ordered
from tfconfig.values.load import NO_MAP, Values


def findings(
    values: Values,
    release: str,
    policies: Sequence[policy.Policy] = (),
    objects: Mapping[str, Any] | None = None,
) -> list[Diagnostic]:
    """Check values by the chart's schema, the rules and the policies, besides the errors in the files themselves.

    `objects`: the rendered ones, for policies; None: not rendered.
    Comments that ignore a rule are not applied. Raises PolicyError and UnreadableError.
    """
    if any(diagnostic.rule in (ignores.UNREADABLE, NO_MAP) for diagnostic in values.diagnostics):
        return ordered(values.diagnostics)  # what an unreadable file lacks is no error of its own
    if diagnostics := kubernetes_object.check(values):
        return diagnostics  # no key of it is a value
    outer = schema.check(values.umbrella) if values.umbrella and values.umbrella.chart.schema else []
    refused = [*outer, *schema.check(values)]
    across = rules.check(values, release, refused)
    paths = {diagnostic.path for diagnostic in refused}
    beside = [diagnostic for diagnostic in umbrella.check(values) if diagnostic.path not in paths]
    violations = policy.check(values, policies, objects)
    twice = umbrella.covered_by_policies(outer, violations)
    refused = [diagnostic for diagnostic in refused if diagnostic not in twice]
    return ordered([*limits.first(values.diagnostics), *beside, *refused, *across, *violations])


def blocking(values: Values, release: str, installs: bool = False) -> list[Diagnostic]:
    """The diagnostics to show before a command that needs valid values goes on, which it must not do with errors.

    A comment may silence a warning here. An error stays, because what follows would fail on it. The program's file is
    left to those who install: these commands need it not, or look for it themselves. So is the placeholder of an image,
    unless `installs`.
    """
    left_out = {rules.PROGRAM_FILE, *([] if installs else [rules.PLACEHOLDER_IMAGE])}
    diagnostics = [diagnostic for diagnostic in findings(values, release) if diagnostic.rule not in left_out]
    kept = set(ignores.apply(diagnostics, values.sources))
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity == ERROR or diagnostic in kept]
