"""Rules across fields: what a JSON Schema cannot express.

Each rule has a stable id. TFC00x are about files, TFC01x come from the chart's schema. TFC1xx are about the job; those
with `chart: true` in catalogue.yaml are in the chart's _validate.tpl too, with the same messages. TFC2xx is what the
Kubernetes API would refuse, TFC3xx what goes wrong later, TFC400 the policies of a platform team.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfconfig.checking import limits
from tfconfig.checking.rules import (  # noqa: F401  (their checks register themselves)
    connections,
    extra_objects,
    files,
    gang,
    hooks,
    interpreter,
    job,
    keras,
    open_ports,
    pipelines,
    pod_fields,
    pod_spec,
    pods,
    ports,
    program,
    progress,
    references,
    shell_in_env,
    warnings,
)
from tfconfig.checking.rules.program import PLACEHOLDER_IMAGE, PROGRAM_FILE
from tfconfig.checking.rules.registry import CHECKS, RULES, JobValues, Rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.load import Values

__all__ = ["PLACEHOLDER_IMAGE", "PROGRAM_FILE", "RULES", "Rule", "check", "matching"]

FIELDS = "TFC201"  # the check of everything that the chart passes to Kubernetes: the other rules build on it


def matching(prefix: str) -> list[Rule]:
    """The rules whose ids start with a prefix, in the order of their ids."""
    return [rule for id, rule in RULES.items() if id.startswith(prefix.upper())]


def check(values: Values, release: str, refused: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Check all rules. `refused`: the errors of the schema; a rule that fails on such values is left out."""
    job_values = JobValues(values, release)
    refused_paths = {diagnostic.path for diagnostic in refused}
    malformed = bool(refused)
    diagnostics: list[Diagnostic] = []
    for ids, run in sorted(CHECKS, key=lambda entry: FIELDS not in entry[0]):
        try:
            reported = limits.first(run(job_values))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            if not malformed:
                raise
            continue
        malformed |= FIELDS in ids and bool(reported)
        diagnostics += reported
    return [diagnostic for diagnostic in diagnostics if not diagnostic.path or diagnostic.path not in refused_paths]
