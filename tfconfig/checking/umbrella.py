"""Values of an umbrella chart: keys that reach neither it nor its job, and what its schema and a policy both refuse."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from tfconfig.checking.schema import MISSING, RULES, VALUE
from tfconfig.diagnostics import Diagnostic, dotted
from tfconfig.values.chart import Chart
from tfconfig.values.helm_yaml import read
from tfconfig.values.load import Values

RULE = "TFC014"
_OF_A_TEAM = {RULES[VALUE], RULES[MISSING]}  # what a schema says that knows what a value is
_OF_A_ROLE = re.compile(r"(.*?)\broles\.(chief|worker|ps|evaluator)\.(.*)", re.DOTALL)


def check(values: Values) -> Iterator[Diagnostic]:
    """Keys beside that of the job which only the job knows, or which are its name misspelt: Helm ignores them."""
    outer = values.umbrella
    if not outer:
        return
    known = _known(outer.chart)
    of_a_job = set(values.chart.schema.get("properties", {})) | set(values.chart.defaults.value)
    for key in outer.root.value:
        meant = difflib.get_close_matches(key, known - {key}, 1, 0.8)
        if key in known or not (key in of_a_job or meant):
            continue
        fix = f"did you mean {dotted([values.alias, key])}?" if key in of_a_job else f"did you mean {meant[0]}?"
        message = f"{dotted([key])}: no chart reads this key, so it has no effect"
        yield Diagnostic.at(outer.origin((key,), key=True), RULE, message, fix, dotted([key]))


def covered_by_policies(refused: Iterable[Diagnostic], violations: Iterable[Diagnostic]) -> set[Diagnostic]:
    """Of the values that an umbrella's schema refuses, or misses, those that a policy is about too, in its words."""
    paths = {variant for violation in violations for variant in _settings(violation.path)}
    return {item for item in refused if item.rule in _OF_A_TEAM and item.path in paths}


def _settings(path: str) -> set[str]:
    """The settings that a path of a policy may stand for: `a.roles.worker.gpus` is `a.worker.gpus`, or `a.gpus`."""
    match = _OF_A_ROLE.match(path)
    return {path, *((f"{match[1]}{match[3]}", f"{match[1]}{match[2]}.{match[3]}") if match else ())}


def _known(chart: Chart) -> set[str]:
    """The keys that an umbrella chart, its dependencies or Helm read."""
    dependencies = [entry for entry in chart.metadata.get("dependencies") or [] if isinstance(entry, dict)]
    own = read(chart.file("values.yaml") or b"", "values.yaml").root.value
    return {
        *("global", "tags"),
        *own,
        *chart.schema.get("properties", {}),
        *(str(entry.get("alias") or entry.get("name")) for entry in dependencies),
        *(str(path).partition(".")[0] for entry in dependencies for path in [entry.get("condition") or ""] if path),
    }
