"""A text in the values stays one text in what is rendered: it adds no argument, key or object.

The leaves are found in the schema by machine, and rendered by a chart without its schema and rules: templates must be
safe by themselves. What comes out is split and read as Helm does both.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack import values_table
from tests.chart.helm import CHART, PROGRAM, RefusedError, merged, render, render_texts
from tests.unit.tool import engine
from tfconfig.checking.findings import findings
from tfconfig.values.load import load

Values = dict[str, Any]
Write = Callable[[int], str]

SCHEMA: Values = json.loads((CHART / "values.schema.json").read_text("utf-8"))
ROLES = ("chief", "worker", "ps", "evaluator")
# Rendered as templates on purpose; a name that the templates themselves refuse; Helm's own.
LEFT_OUT = {"extraObjects", "fullnameOverride", "global"}
CHOSEN = {"podGroup.scheduler": "Volcano"}  # the choice with a text of its own, `queue`
HOSTILE = {
    "arguments": "\n            - --inspect\n            - --host=0.0.0.0\n            # ",
    "a key of each depth": "\n" + "\n".join(f"{' ' * depth}evil: true" for depth in range(0, 24, 2)),
    "another object": "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: evil}\n---",
    "marks of YAML": """'"', ]}{y: z} &a *a !b %c @d `e | > ? - #: """,
    "a list": "- ",
    "a comment": " # ",
    "a tag": "!!binary ",
    "a directive": "%YAML 1.1\n---",
    "a template": '{{ fail "rendered twice" }}${HOME}\\n\\"\\',
    "line breaks": "\r\n\t\u2028\u2029",
    "a line separator": "\u2028- --inspect",
}


class Filled:
    """Values with a text at every leaf and in every free key of the schema, and where each of them is."""

    def __init__(self, text: str) -> None:
        self.text, self.places = text, list[str]()
        root = {name: node for name, node in SCHEMA["properties"].items() if name not in LEFT_OUT}
        self.values: Values = {name: self.fill(node, name) for name, node in root.items()}
        for role in ROLES:
            self.values[role] |= {"replicas": 1, "gpus": 1, "pythonFrom": None}
        self.values["pythonFrom"] = None  # it stands in for `python`

    def word(self, place: str) -> str:
        self.places.append(place)
        return f"{self.text}m{len(self.places)}.{self.text}"

    def fill(self, node: Values, place: str) -> Any:
        node = values_table.resolve(SCHEMA, node)
        types = node.get("type", [])
        types = [types] if isinstance(types, str) else types
        if "anyOf" in node or "oneOf" in node:
            raise AssertionError(f"{place}: this test knows no anyOf or oneOf")
        if place in CHOSEN:
            return CHOSEN[place]
        if "enum" in node and place.rpartition(".")[2] != "pullPolicy":
            return next(item for item in node["enum"] if item)
        if "string" in types:
            return self.word(place)
        if "array" in types:
            return [self.fill(node.get("items", {"type": "string"}), f"{place}[]")]
        if "object" in types:
            filled = {name: self.fill(inner, f"{place}.{name}") for name, inner in node.get("properties", {}).items()}
            free = node.get("additionalProperties", {"type": "string"})
            return filled | ({self.word(f"{place}.*"): self.fill(free, f"{place}.*")} if free else {})
        if "boolean" in types:
            return True
        return node.get("minimum", 1)


def variants(values: Values) -> Iterator[Values]:
    """The values, and those of them that other ones hide."""
    yield values
    other = json.loads(json.dumps(values))
    del other["checkpoint"]["existingClaim"], other["program"]["existingConfigMap"], other["serviceAccount"]["name"]
    for volume in other["data"].values():
        del volume["existingClaim"]
    del other["tensorboard"]["directory"]
    other["podGroup"]["scheduler"] = "Kubernetes"
    for role in ROLES:  # its own settings hide those of all roles
        other[role] = {"replicas": 1, "gpus": 1}
    yield other


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart without its schema and rules."""
    chart = tmp_path_factory.mktemp("bare") / "chart"
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("values.schema.json", "validate.yaml", "ci"))
    return chart


def objects(values: Values, chart: Path) -> list[Any]:
    """What Helm makes of the values: the objects that it finds in the rendered texts."""
    found = []
    for path, text in render_texts(values, chart=chart).items():
        if not path.endswith("NOTES.txt"):
            documents = re.split(r"(?:^|\s*\n)---\s*", text)  # pkg/release/util/manifest.go
            found += [(path, engine.read_yaml(document)) for document in documents if document.strip()]
    return [item for item in found if item[1]]


def leaves(rendered: Any, text: str, place: str = "") -> Iterator[str]:
    """A line for each leaf of objects, without the hostile part of its text and without hashes of all values."""
    if isinstance(rendered, str) and rendered.startswith('{"'):  # job.json
        rendered = json.loads(rendered)
        marks = rendered.get("record", {}).get("marks", {})
        marks.update(dict.fromkeys(marks, "HASH"))
    if isinstance(rendered, str):
        plain = re.sub(rf"{re.escape(text)}(m[0-9]+\.){re.escape(text)}", r"\1", rendered)
        yield f"{place}={re.sub(r'lifecycle-[0-9a-f]{8}(?=-2$|$)|[0-9a-f]{10}$', 'HASH', plain)!r}"
    elif isinstance(rendered, (dict, list, tuple)) and rendered:
        for key, item in rendered.items() if isinstance(rendered, dict) else enumerate(rendered):
            (name,) = [line[1:] for line in leaves(str(key), text)]
            yield from leaves(item, text, f"{place}/{name}")
    else:
        yield f"{place}={rendered!r}"


@pytest.fixture(scope="module")
def harmless(bare: Path) -> list[set[str]]:
    """What short words make."""
    return [set(leaves(objects(values, bare), "")) for values in variants(Filled("").values)]


def test_every_text_of_the_values_arrives_in_an_object(harmless: list[set[str]]) -> None:
    places, rendered = Filled("").places, "\n".join(line for lines in harmless for line in lines)
    assert len(places) > 250
    assert {place for number, place in enumerate(places, 1) if f"m{number}." not in rendered} == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_text_changes_nothing_but_itself(name: str, bare: Path, harmless: list[set[str]]) -> None:
    text = HOSTILE[name]
    for values, expected in zip(variants(Filled(text).values), harmless, strict=True):
        found = set(leaves(objects(values, bare), text))
        assert not sorted(found ^ expected)[:9]


PATHS: dict[str, Values] = {
    "checkpoint.mountPath": {"checkpoint": {"mountPath": "/c%s"}},
    "checkpoint.directory": {"checkpoint": {"directory": "c%s"}},
    "tensorboard.directory": {"tensorboard": {"directory": "c%s"}},
    "program.workingDir": {"program": {"workingDir": "/c%s"}},
    "worker.program.workingDir": {"worker": {"program": {"workingDir": "/c%s"}}},
    "data.d.mountPath": {"data": {"d": {"mountPath": "/c%s", "existingClaim": "c"}}},
    "data.d.subPath": {"data": {"d": {"mountPath": "/c", "subPath": "c%s", "existingClaim": "c"}}},
    "extraVolumeMounts[0].mountPath": {"extraVolumeMounts": [{"name": "s", "mountPath": "/c%s"}]},
}


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x7f", "\x85"], ids=repr)
@pytest.mark.parametrize("path", PATHS)
def test_a_path_has_no_control_characters(path: str, character: str, tmp_path: Path) -> None:
    text = json.dumps(PATHS[path]) % json.dumps(f"{character}x").strip('"')
    values = merged(PROGRAM, json.loads(text))
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values), "utf-8")
    assert (path, "TFC012") in {(item.path, item.rule) for item in findings(load([str(file)]), "digits")}
    with pytest.raises(RefusedError, match="does not match pattern"):
        render(values)
