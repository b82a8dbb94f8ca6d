"""Upgrades of the chart: a job that runs survives them, and only what its user changed makes a new run.

`helm upgrade --reuse-values` renders the new chart with the defaults of the old one. `--reset-then-reuse-values`, `-f`
and Argo CD take the new defaults.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import helm
from .helm import CHART, PROGRAM, Values, merged, render
from .next_chart import DEFAULTS, KINDS, RELEASED, next_chart, reusing_values

GUIDE = CHART.parent / "docs/upgrading.md"


def run_of(values: Values, chart: Path = CHART) -> str:
    run: str = render(merged(PROGRAM, values), chart=chart).job_spec()["runId"]
    return run


JOBS: list[Values] = [{}, helm.ci_values()["everything"], helm.ci_values()["custom"], {"worker": {"replicas": 2}}]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_kind_of_chart_upgrade_starts_a_new_run(tmp_path: Path, kind: Callable[[Path], None]) -> None:
    chart = next_chart(tmp_path, kind)
    with_new_defaults = [run_of(values, chart) for values in JOBS]
    reusing = [run_of(values, reusing_values(chart, CHART / "values.yaml")) for values in JOBS]
    assert with_new_defaults == reusing == [run_of(values) for values in JOBS]


def test_the_chart_renders_with_the_values_of_the_release_before(tmp_path: Path) -> None:
    chart = reusing_values(next_chart(tmp_path))
    for values in ({}, {"suspend": True}, {"run": 2}, {"env": {"A": "b"}}, {"worker": {"replicas": 7}}):
        assert run_of(values, chart) == run_of(values)


def test_a_key_that_is_new_since_the_last_release_is_not_required() -> None:
    """Under `--reuse-values` it is missing, and its default with it."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    released = yaml.safe_load(RELEASED.read_text("utf-8"))
    assert set(schema["required"]) <= set(released)


def test_no_setting_that_makes_a_run_has_a_default_but_those_that_never_change() -> None:
    """Another default would start every job anew that does not set it."""

    def empty(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: left for key, item in value.items() if (left := empty(item)) not in (None, {})}
        return None if value in ("", [], 0) and value is not False else value

    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert empty(_run_settings(defaults)) == {
        "strategy": "ParameterServer",
        "image": {"repository": "tensorflow/tensorflow"},
        "python": ["python3"],
        "worker": {"replicas": 2},
        "gpuResource": "nvidia.com/gpu",
        "checkpoint": {"enabled": True, "mountPath": "/checkpoints"},
        "run": 1,
    }


def _run_settings(values: Values) -> Values:
    """The settings that docs/upgrading.md lists, of these values."""
    found: Values = {}
    for path in documented():
        here: Any = values
        for part in path.split("."):
            here = here.get(part) if isinstance(here, dict) else None
        found = merged(found, nested(path, here))
    return found


def documented() -> set[str]:
    """The list of docs/upgrading.md: settings that start a new run, `<role>.` written out."""
    text = GUIDE.read_text("utf-8").partition("## What starts a new run\n")[2].partition("\n## ")[0]
    listed = {path for line in text.splitlines() if line.startswith("| ") for path in re.findall(r"`([^`]+)`", line)}
    roles = ("chief", "worker", "ps", "evaluator")
    return {path.replace("<role>", role) for path in listed for role in roles}


def test_the_guide_lists_what_the_hash_is_made_of(tmp_path: Path) -> None:
    chart = next_chart(tmp_path)
    for item in (chart / "templates").glob("[!_]*"):
        shutil.rmtree(item) if item.is_dir() else item.unlink()
    settings = '{{ include "tensorflow-job.runSettings" . | quote }}'
    (chart / "templates/settings.yaml").write_text(
        f"kind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  settings: {settings}\n", "utf-8"
    )
    (chart / "values.schema.json").unlink()
    every: Values = {}
    for path in {*documented(), *yaml.safe_load(RELEASED.read_text("utf-8")), "checkpoint.size", "program.new"}:
        if path not in ("image", "program", "checkpoint", "server", "chief", "worker", "ps", "evaluator"):
            every = merged(every, nested(path, "x"))
    made = json.loads(render(every, chart=chart).one("ConfigMap")["data"]["settings"])
    of_all_roles = made.pop("job")
    assert set(paths({**made, **of_all_roles})) == documented()


def nested(path: str, value: Any) -> Values:
    """The values that have this at the path, and nothing else."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def paths(values: Values) -> Iterator[str]:
    """The paths of all leaves."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (f"{key}.{path}" for path in paths(value))
        else:
            yield key


def test_nothing_else_starts_a_new_run() -> None:
    """Each key of the values file that is not listed, changed by the user."""
    listed = {path.split(".")[0] for path in documented()}
    assert set(yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))) - listed == {
        "cleanup",
        "completion",
        "deadlines",
        "extraObjects",
        "lifecycle",
        "logs",
        "metrics",
        "networkPolicy",
        "podAnnotations",
        "podDisruptionBudget",
        "podGroup",
        "progress",
        "podLabels",
        "podSecurityContext",
        "restart",
        "securityContext",
        "serviceAccount",
        "suspend",
        "tensorboard",
        "terminationGracePeriodSeconds",
        "unreachableTolerationSeconds",
    }
    for role in ("worker", "ps"):
        own = {key: DEFAULTS[key] for key in ("podAnnotations", "podSecurityContext", "terminationGracePeriodSeconds")}
        assert run_of({**DEFAULTS, role: own}) == run_of({})


def test_pods_join_a_gang_of_kubernetes_only_with_a_new_run() -> None:
    """One that joined later would be alone in its PodGroup, and wait for the others for ever."""
    none, own = (run_of({"podGroup": {"scheduler": name}}) for name in ("", "Kubernetes"))
    assert none == run_of({"podGroup": {"scheduler": None}}) == run_of({}) != own
    named: Values = {"podAnnotations": {"scheduling.k8s.io/group-name": "$(JOB)"}}
    assert run_of({**named, "podGroup": {"scheduler": "Volcano"}}) == run_of(named)


def test_run_ids_are_made_in_one_way_for_ever() -> None:
    """Another way to make them would start every job anew that runs while its chart is upgraded."""
    least: Values = {"program": {"command": ["python3", "train.py"]}}
    more: Values = {"image": {"tag": "2.21.0"}, "worker": {"replicas": 3, "env": {"A": 1}}, "shmSize": "1Gi"}
    assert (run_of(least), run_of({**least, **more})) == ("2a275b3c4d", "0a070dacc7")
