"""A made-up next version of the chart, by kinds of change."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from .helm import CHART, Values, merged

RELEASED = Path(__file__).with_name("released-values.yaml")

# What a later chart may change, by kind.
DEFAULTS: Values = {
    "image": {"pullPolicy": "Always"},
    "podAnnotations": {"example.com/new": "true"},
    "podLabels": {"new": "label"},
    "podSecurityContext": {"runAsUser": 2000, "supplementalGroups": [5]},
    "securityContext": {"readOnlyRootFilesystem": True},
    "terminationGracePeriodSeconds": 60,
    "unreachableTolerationSeconds": 600,
    "restart": {"backoffLimit": 3, "nodeLoss": "Replace"},
    "completion": {"evaluatorGraceSeconds": 3},
    "deadlines": {"unstartableSeconds": 900, "stallSeconds": 9000},
    "cleanup": {"onFailure": "Keep"},
    "lifecycle": {"image": {"tag": "3.14-slim"}, "resources": {"requests": {"cpu": "20m"}}},
    "checkpoint": {"size": "20Gi", "keep": False},
    "metrics": {"enabled": True},
    "networkPolicy": {"enabled": False},
}
KEYS: Values = {
    "section": {"enabled": True, "inner": {"size": 3}},
    **{group: {"newKey": "on"} for group in ("image", "program", "checkpoint", "server", "restart", "lifecycle")},
    **{role: {"newKey": "on"} for role in ("chief", "worker", "ps", "evaluator")},
}


def new_defaults(chart: Path) -> None:
    """Other defaults of keys that there are."""
    values = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))
    (chart / "values.yaml").write_text(yaml.safe_dump(merged(values, DEFAULTS)), "utf-8")


def new_keys(chart: Path) -> None:
    """Keys with defaults, at the top, in groups and in roles; a template uses them."""
    values = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))
    (chart / "values.yaml").write_text(yaml.safe_dump(merged(values, KEYS)), "utf-8")
    schema = json.loads((chart / "values.schema.json").read_text("utf-8"))
    for key, value in KEYS.items():
        schema["properties"].setdefault(key, {})
        for properties in (schema["properties"][key], schema["definitions"]["completeImage"]):
            properties.setdefault("properties", {}).update({key_0: {} for key_0 in value})
    (chart / "values.schema.json").write_text(json.dumps(schema), "utf-8")
    add_to_pod(chart, "section: {{ (.root.Values.section).enabled | quote }}")


def new_pod(chart: Path) -> None:
    """Something more in the pod that no value says."""
    add_to_pod(chart, "example.com/more: label")


def new_version(chart: Path) -> None:
    """Another version, and another TensorFlow in the default image."""
    about = re.sub(r"(?m)^version: .*", "version: 9.9.9", (chart / "Chart.yaml").read_text("utf-8"))
    (chart / "Chart.yaml").write_text(re.sub('(?m)^appVersion: "[^"]*"', 'appVersion: "2.99.0"', about), "utf-8")


def new_code(chart: Path) -> None:
    """Other code, and a file more."""
    for name in ("task/task.py", "lifecycle/controller.py"):
        file = chart / "files" / name
        file.write_text(file.read_text("utf-8") + "\n# A later version.\n", "utf-8")
    (chart / "files/task/more.py").write_text('"""Nothing."""\n', "utf-8")


def new_object(chart: Path) -> None:
    """One object more."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-more\n"
    (chart / "templates/more.yaml").write_text(text, "utf-8")


def add_to_pod(chart: Path, line: str) -> None:
    """Add a label to the template of the training pods."""
    file = chart / "templates/_task_pod.tpl"
    before = "    {{- with $settings.podLabels }}\n"
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, f"    {line}\n{before}"), "utf-8")


KINDS: list[Callable[[Path], None]] = [new_defaults, new_keys, new_pod, new_version, new_code, new_object]


def next_chart(folder: Path, *kinds: Callable[[Path], None]) -> Path:
    """A made-up next chart."""
    chart = shutil.copytree(CHART, folder / "next", ignore=shutil.ignore_patterns("__pycache__"))
    for change in kinds:
        change(chart)
    return chart


def reusing_values(chart: Path, released: Path = RELEASED) -> Path:
    """The chart as `--reuse-values` renders it: with the defaults of the release that is there."""
    shutil.copy(released, chart / "values.yaml")
    return chart
