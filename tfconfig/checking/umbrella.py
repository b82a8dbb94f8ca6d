"""Keys in the values of an umbrella chart that reach neither it nor its job."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from tfconfig.diagnostics import Diagnostic, dotted
from tfconfig.values.chart import Chart
from tfconfig.values.helm_yaml import plain, read
from tfconfig.values.load import Values

RULE = "TFC014"


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


def _known(chart: Chart) -> set[str]:
    """The keys that an umbrella chart, its dependencies or Helm read."""
    metadata = plain(read(chart.file("Chart.yaml") or b"", "Chart.yaml").root)
    dependencies = [entry for entry in metadata.get("dependencies") or [] if isinstance(entry, dict)]
    own = read(chart.file("values.yaml") or b"", "values.yaml").root.value
    return {
        *("global", "tags"),
        *own,
        *chart.schema.get("properties", {}),
        *(str(entry.get("alias") or entry.get("name")) for entry in dependencies),
        *(str(path).partition(".")[0] for entry in dependencies for path in [entry.get("condition") or ""] if path),
    }
