"""A Kubernetes object that was given instead of values: a TFJob, most of all."""

from __future__ import annotations

import re

from tfconfig.diagnostics import Diagnostic
from tfconfig.values.load import Values

RULE = "TFC006"
_CONVERTIBLE = re.compile(r"""\bkind["']?:\s*["']?TFJob\b|batch\.volcano\.sh/""", re.IGNORECASE)
_OF_JOBS = re.compile(r".*Job|JobSet")


def check(values: Values) -> list[Diagnostic]:
    """One error for the file, whose keys are all wrong as values."""
    names = [values.root.value.get(key) for key in ("apiVersion", "kind")]
    if not all(name and isinstance(name.value, str) and not name.origin.default for name in names):
        return []
    api, kind = (str(name.value) for name in names if name)
    file = values.origin(("kind",)).file
    if _CONVERTIBLE.search(values.sources.get(file, "")):
        fix = f"convert it: tfconfig convert {file} > values.yaml"
    elif _OF_JOBS.fullmatch(kind):
        fix = f"write values with tfconfig init; tfconfig convert {file} says why it cannot convert this"
    else:
        fix = "give a values file; tfconfig init writes one to start from"
    message = f"a Kubernetes object, {kind} ({api}), not values of a job"
    return [Diagnostic.at(values.origin(("kind",), key=True), RULE, message, fix)]
