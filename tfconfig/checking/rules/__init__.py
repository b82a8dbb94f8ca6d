"""Rules across fields: what a JSON Schema cannot say.

Each rule has a stable id. TFC00x are about files, TFC01x come from the chart's schema. TFC1xx are about the job; those
with `chart: true` in catalogue.yaml are in the chart's _validate.tpl too, in the same words. TFC2xx is what the
Kubernetes API would refuse, TFC3xx what goes wrong later, TFC400 a platform team's own policy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfconfig.checking.rules import job, pod_fields, pods, warnings  # noqa: F401  (their checks register themselves)
from tfconfig.checking.rules.registry import CHECKS, RELEASE, Found, Job, Rule, catalogue
from tfconfig.diagnostics import Diagnostic, Origin, finding
from tfconfig.values.load import Values

__all__ = ["RULES", "Rule", "check"]

RULES: dict[str, Rule] = catalogue()
FIELDS = "TFC201"  # the check of everything that the chart passes on: the other rules build on it


def check(values: Values, release: str, refused: Sequence[Diagnostic] = ()) -> list[Diagnostic]:
    """All mistakes across fields. `refused`: what the schema has found; a rule that trips over that is left out."""
    subject = Job(values, release)
    told = {one.path for one in refused}
    malformed = bool(refused)
    diagnostics: list[Diagnostic] = []
    for (id, *_), one in sorted(CHECKS, key=lambda check: FIELDS not in check[0]):
        try:
            found = list(one(subject))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            if not malformed:
                raise
            continue
        malformed |= id == FIELDS and bool(found)
        diagnostics += [_diagnostic(RULES[f.rule or id], f, subject) for f in found]
    return [d for d in diagnostics if not d.path or d.path not in told]


def _diagnostic(rule: Rule, found: Found, subject: Job) -> Diagnostic:
    values = subject.values
    places = [path for path in (found.path, *found.other) if values.is_set(path)]
    own = [path for path in places if values.origin(path).file != values.team]  # rather than the defaults of a team
    origin = values.origin(next(iter(own or places), found.path), found.key)
    path = values.shown(found.path)
    message = f"{found.label or path}: {found.found}"
    if found.label == RELEASE:
        origin, path = Origin(f"--release {subject.release}"), ""
    return finding(rule.id, origin, message, found.fix, path, rule.severity)
