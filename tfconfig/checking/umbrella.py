"""Values of an umbrella chart: keys that reach neither it nor its job, and what its schema and a policy both refuse."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from tfconfig.checking.schema import MISSING, RULES, VALUE
from tfconfig.diagnostics import Diagnostic, dotted
from tfconfig.values.chart import NAME, Chart
from tfconfig.values.helm_yaml import Node, read
from tfconfig.values.load import Values

RULE = "TFC014"
_OF_A_TEAM = {RULES[VALUE], RULES[MISSING]}  # what a schema says that knows what a value is
_VERSION = re.compile(r"-[0-9][^/]*\.tgz$")  # in the name of a chart's archive
_OF_A_ROLE = re.compile(r"(.*?)\broles\.(chief|worker|ps|evaluator)\.(.*)", re.DOTALL)


def check(values: Values) -> Iterator[Diagnostic]:
    """Keys beside that of the job which only the job knows, or which are its name misspelt: Helm ignores them.

    So it does with the values of a job below another key, such as the name of the chart where that has an alias.
    """
    outer = values.umbrella
    if not outer:
        return
    known = _known(outer.chart)
    of_a_job = set(values.chart.schema.get("properties", {})) | set(values.chart.defaults.value)
    for key, node in outer.root.value.items():
        if key in known:
            continue
        meant = difflib.get_close_matches(key, known, 1, 0.8)
        if not meant and _is_a_job(key, node, of_a_job) and _unread(outer.chart, key):
            meant = [dotted([values.alias])]
        if not (key in of_a_job or meant):
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


def _is_a_job(key: str, node: Node, of_a_job: set[str]) -> bool:
    return isinstance(node.value, dict) and (key == NAME or (bool(node.value) and node.value.keys() <= of_a_job))


def _unread(chart: Chart, key: str) -> bool:
    """Whether no template of a chart can have this key in mind. Those of an archive are not looked at."""
    files = [path for path in (chart.root / "templates").rglob("*") if path.is_file()]
    try:
        return chart.root.is_dir() and not any(key in path.read_text("utf-8", "replace") for path in files)
    except OSError:
        return False


def _known(chart: Chart) -> set[str]:
    """The keys that an umbrella chart, its dependencies or Helm read."""
    conditions = [path for entry in chart.dependencies for path in (entry.get("condition") or "").split(",")]
    declared = {entry.get("name") for entry in chart.dependencies}
    vendored = {_VERSION.sub("", path.name) for path in (chart.root / "charts").glob("*")} - declared
    own = read(chart.file("values.yaml") or b"", "values.yaml").root.value
    return {
        *("global", "tags"),
        *own,
        *chart.schema.get("properties", {}),
        *(entry.get("alias") or entry.get("name") or "" for entry in chart.dependencies),
        *(path.strip().partition(".")[0] for path in conditions),
        *vendored,  # Helm reads these without a dependency too
    }
