"""The JSON that commands print is that of docs/schemas, which other programs may rely on."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart import helm
from tests.unit.tool.commands.test_commands import run
from tfconfig.diagnostics import Diagnostic

SCHEMAS = helm.CHART.parent / "docs" / "schemas"
INVALID = {**helm.PROGRAM, "worker": {"replica": 3}, "env": {"API_TOKEN": "x"}}
JOBS = {**helm.ci_values(), "smallest": helm.PROGRAM}
ROLES = {**helm.PROGRAM, "chief": {"replicas": 1}, "evaluator": {"replicas": 1}}


def content(command: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / f"{command}.schema.json").read_text("utf-8"))
    return document


def schema(command: str) -> jsonschema.Draft7Validator:
    jsonschema.Draft7Validator.check_schema(content(command))
    return jsonschema.Draft7Validator(content(command))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(command: str, values: dict[str, Any], *arguments: str) -> Any:
    Path("v.yaml").write_text(yaml.safe_dump(values), "utf-8")
    return json.loads(run(command, "-f", "v.yaml", "-o", "json", *arguments).stdout)


@pytest.mark.parametrize("name", JOBS)
def test_plan_and_generate_print_what_their_schemas_say(name: str) -> None:
    for command in ("plan", "generate"):
        schema(command).validate(printed(command, JOBS[name]))


def test_one_task_has_its_bare_tf_config() -> None:
    schema("generate").validate(printed("generate", ROLES, "--task", "evaluator-0"))


@pytest.mark.parametrize(
    ("values", "arguments"),
    [(helm.PROGRAM, ()), (INVALID, ()), (INVALID, ("--set", "worker.gpus=x")), (helm.PROGRAM, ("--release", "9"))],
    ids=["valid", "file", "argument", "release"],
)
def test_validate_prints_what_its_schema_says(values: dict[str, Any], arguments: tuple[str, ...]) -> None:
    schema("validate").validate(printed("validate", values, *arguments))


def test_every_field_of_a_diagnostic_is_in_the_schema() -> None:
    properties = content("validate")["properties"]["diagnostics"]["items"]["properties"]
    assert [key.lower() for key in properties] == [name.replace("_", "") for name in Diagnostic.__dataclass_fields__]


def objects(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every object in a document that has a key."""
    if isinstance(document, dict) and document:
        yield path
    for key, child in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(child, (dict, list)):
            yield from objects(child, (*path, key))


def changed(document: Any, path: tuple[Any, ...], *, rename: str | None = None, add: str | None = None) -> Any:
    """A copy with a key of the object at `path` renamed, or with one more."""
    copied = copy.deepcopy(document)
    here = copied
    for key in path:
        here = here[key]
    if rename is not None:
        here[f"{rename}Renamed"] = here.pop(rename)
    if add is not None:
        here[add] = True
    return copied


@pytest.mark.parametrize("command", ["validate", "plan", "generate"])
def test_the_schema_refuses_a_key_that_is_renamed_or_added(command: str) -> None:
    """In every object; those by the name of a resource are open, but not to a value that is no quantity."""
    everything = printed(command, INVALID if command == "validate" else JOBS["everything"])
    checker = schema(command)
    open_maps = {("requests",), ("limits",)}
    places = list(objects(everything))
    assert len(places) > 2
    for path in places:
        assert not checker.is_valid(changed(everything, path, add="more")), path
        here = everything
        for key in path:
            here = here[key]
        for key in here if path[-1:] not in open_maps else ():
            assert not checker.is_valid(changed(everything, path, rename=key)), (*path, key)
