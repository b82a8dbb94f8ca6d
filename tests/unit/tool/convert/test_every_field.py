"""Nothing is dropped silently: every field that a TFJob can have is in the report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tool.convert import cases
from tfconfig.checking.findings import findings
from tfconfig.convert import reading
from tfconfig.convert.convert import convert
from tfconfig.convert.fields import UnconvertibleError
from tfconfig.convert.images import Programs
from tfconfig.convert.report import Item
from tfconfig.values.helm_yaml import Node, read
from tfconfig.values.load import load

# Of training-operator 1.8.1, by hack/tfjob_fields.py.
FIELDS = (Path(__file__).parent / "tfjob-fields.txt").read_text("utf-8").splitlines()
UNKNOWN = "unknown to tfconfig convert"
_VALUES: dict[str, Any] = {
    "boolean": True,
    "integer": 7,
    "string": "some-text",
    "quantity": "1Gi",
    "object": {"x": "y"},
}


def smallest() -> dict[str, Any]:
    """The smallest TFJob."""
    container = {"name": "tensorflow", "image": "a/b:1", "command": ["run"]}
    worker = {"template": {"spec": {"containers": [container]}}}
    job: dict[str, Any] = {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "metadata": {"name": "j"}}
    job["spec"] = {"tfReplicaSpecs": {"Worker": worker}}
    return job


def add(job: dict[str, Any], path: str, kind: str) -> dict[str, Any]:
    """The TFJob with one field more."""
    place: Any = job
    parts = re.sub(r"^spec\.tfReplicaSpecs\.\*", "spec.tfReplicaSpecs.Worker", path).replace("[]", ".[]").split(".")
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        new: Any = _VALUES[kind] if not following else [] if following == "[]" else {}
        if part == "[]":
            if not place:
                place.append(new)
            place = place[0]
        else:
            key = "example.com/key" if part == "*" else part
            if following:
                place.setdefault(key, new)
            else:
                place[key] = new
            place = place[key]
    return job


def converted(job: Any) -> tuple[list[Item], list[str]]:
    """The report of a manifest, or the places where it cannot be converted."""
    read = reading.manifest(json.dumps(job).encode(), "job.yaml")
    places = [failure.path for failure in read.failures]
    items: list[Item] = []
    for form in read.jobs:
        try:
            items += convert(form, Programs()).report.items
        except UnconvertibleError as e:
            places.append(e.field.shown)
    return items, places


@pytest.mark.parametrize("line", FIELDS)
def test_a_field_is_in_the_report(line: str) -> None:
    path, kind = line.split(" ")
    items, failures = converted(add(smallest(), path, kind))
    named = re.sub(r"^spec\.tfReplicaSpecs\.\*", "spec.tfReplicaSpecs.Worker", path)
    start = named.partition("*")[0].replace("[]", "[0]")
    about = [item for item in items if item.source and (start.startswith(item.source) or item.source.startswith(start))]
    assert about or failures
    assert not [item for item in about if UNKNOWN in item.message]


def test_no_value_of_them_is_unknown_to_the_chart(tmp_path: Path) -> None:
    """All fields in one TFJob; what they say may be wrong together, but each has its place."""
    job = smallest()
    for line in FIELDS:
        if not line.startswith("metadata "):
            add(job, *line.split(" "))
    file = tmp_path / "values.yaml"
    file.write_text(cases.call(json.dumps(job)).stdout, "utf-8")
    found = findings(load([str(file)]), "j")
    assert [str(item) for item in found if item.rule in ("TFC010", "TFC185", "TFC201")] == []
    assert len(read(file.read_bytes(), "values.yaml").root.value["podSpec"].value) > 5


def nodes(node: Node) -> Iterator[Node]:
    yield node
    value = node.value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


@pytest.mark.parametrize(
    "name", ["pod-settings", "volumes", "sidecar-and-init", "run-policy-all-fields", "v1alpha1", "volcano"]
)
def test_no_manifest_is_too_odd_to_be_answered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value in turn is of another type. It is replaced after the text was read, which takes the most time."""
    document = read(cases.read(name).manifest.encode(), "job.yaml")
    monkeypatch.setattr(reading, "read", lambda _data, _file: document)
    text = Node("x", document.root.origin)
    answers = set()
    for node in list(nodes(document.root)):
        original = node.value
        for odd in ("text", [], [text], {"x": text}):
            node.value = odd
            items, failures = converted({})
            assert items or failures
            answers.add((len(items), *failures))
        node.value = original
    assert len(answers) > 10
