"""values.yaml, values.schema.json, README.md and the templates say the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from hack import values_table

from . import helm
from .helm import CHART, PROGRAM, RefusedError, Rendered, Values, merged, render, rendered_ci
from .test_manifests import ROLES

TEXT = (CHART / "values.yaml").read_text("utf-8")
DEFAULTS: Values = yaml.safe_load(TEXT)
SCHEMA: Values = json.loads((CHART / "values.schema.json").read_text("utf-8"))
CI_VALUES = helm.ci_values()
Path = tuple[str, ...]


def schema_keys(node: Values, path: Path = ()) -> Iterator[Path]:
    """Every key that the schema declares, at any depth; a role's settings are those of the top."""
    for key, inner in values_table.resolve(SCHEMA, node).get("properties", {}).items():
        yield (*path, key)
        # What a $ref to another key of the values holds is seen there.
        if not inner.get("$ref", "").startswith("#/properties/"):
            yield from schema_keys(inner, (*path, key))


SETTINGS = [
    key[1] for key in schema_keys(SCHEMA) if key[0] == "worker" and len(key) == 2 and key[1] not in ("replicas", "gpus")
]
DOCUMENTED = [value.path for value in values_table.documented(TEXT)]
# Role settings are documented once, at the top. `run` changes nothing but the run id (test_job_spec.py).
KEYS = [path for path in DOCUMENTED if path != ("run",)] + [("worker", setting) for setting in SETTINGS]


def leaves(values: Values, path: Path = ()) -> Iterator[Path]:
    """Every key of values.yaml that is not a section of others."""
    for key, value in values.items():
        if isinstance(value, dict) and any(
            documented[: len(path) + 1] == (*path, key) != documented for documented in DOCUMENTED
        ):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def has(values: Values, path: Path) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True


def without(values: Values, path: Path) -> Values:
    """The values with one key left to its default."""
    result = copy.deepcopy(values)
    parent = result
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return result


def with_null(path: Path) -> Values:
    values: Any = None
    for key in reversed(path):
        values = {key: values}
    return merged(PROGRAM, values)


def refusal(values: Values) -> str:
    """Why Helm does not render the values; nothing when it does."""
    try:
        render(values)
    except RefusedError as refused:
        return str(refused)
    return ""


def test_readme_and_schema_have_the_comments_of_the_values() -> None:
    for file, content in values_table.renewed().items():
        message = f"{file.name} is not what values.yaml says; run: {values_table.COMMAND}"
        assert file.read_text("utf-8") == content, message


def test_every_value_is_documented() -> None:
    assert list(leaves(DEFAULTS)) == DOCUMENTED


def test_every_value_is_in_the_schema_and_the_other_way_round() -> None:
    declared = set(schema_keys(SCHEMA))
    assert set(DOCUMENTED) <= declared
    # These have no default: what Helm brings itself, a role's settings, and the parts of passed-on objects.
    brought = {("global",), ("enabled",)}
    settings = {(role, setting) for role in ROLES for setting in SETTINGS}
    inner = {key for key in declared if any(key[: len(path)] == path != key for path in DOCUMENTED)}
    inner |= {key for key in declared if len(key) > 2 and key[:2] in settings}
    sections = {path[:length] for path in DOCUMENTED for length in range(1, len(path))}
    assert declared - brought - settings - inner - sections == set(DOCUMENTED)


def test_every_role_takes_the_same_settings_and_they_are_those_of_the_template() -> None:
    for role in ROLES:
        own = [key[1] for key in schema_keys(SCHEMA) if key[0] == role and len(key) == 2]
        assert own == ["replicas", "gpus", *SETTINGS]
    template = (CHART / "templates/_roles.tpl").read_text("utf-8")
    body = template[template.index('define "tensorflow-job.settings"') :]
    named = [word.strip('"') for word in body[: body.index("$top")].split() if word.startswith('"') and "." not in word]
    assert sorted(name.rstrip('"-}') for name in named) == sorted({*SETTINGS} - {"program"})


def test_the_schema_is_a_valid_draft_7_schema_that_names_its_version() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_defaults_and_all_ci_values_fit_the_schema() -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)
    for values in ({}, *CI_VALUES.values()):
        assert not list(validator.iter_errors(merged(DEFAULTS, values)))


def test_every_object_of_the_schema_is_strict_or_passed_on_to_kubernetes() -> None:
    open_on_purpose = {
        "affinity",
        "claims",
        "container",
        "envFrom",
        "extraContainers",
        "extraObjects",
        "extraVolumeMounts",
        "extraVolumes",
        "global",
        "initContainers",
        "ipBlock",
        "namespaceSelector",
        "podSecurityContext",
        "podSelector",
        "podSpec",
        "ports",
        "securityContext",
        "tolerations",
        "topologySpreadConstraints",
        "valueFrom",
        "volume",
    }

    def loose(node: Any, key: str) -> Iterator[str]:
        if isinstance(node, list):
            for inner in node:
                yield from loose(inner, key)
        elif isinstance(node, dict):
            if "object" in node.get("type", []) and "additionalProperties" not in node:
                yield key
            for name, inner in node.items():
                yield from loose(inner, key if name in ("items", "additionalProperties", "properties") else name)

    assert set(loose(SCHEMA, "")) == open_on_purpose


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_every_key_changes_what_is_rendered(path: Path) -> None:
    """In one of the ci files: left to its default, something else is rendered."""
    having = [name for name, values in CI_VALUES.items() if has(values, path)]
    assert having, f"no file in chart/ci sets {'.'.join(path)}"

    def matters(name: str) -> bool:
        other = without(CI_VALUES[name], path)
        return bool(refusal(other)) or _comparable(render(other)) != _comparable(rendered_ci(name))

    assert any(matters(name) for name in having)


SECTIONS_AND_KEYS = sorted({path[:length] for path in DOCUMENTED for length in range(1, len(path) + 1)})


@pytest.mark.parametrize("path", SECTIONS_AND_KEYS, ids=".".join)
def test_null_for_any_key_is_rendered_or_refused_by_name(path: Path) -> None:
    """Helm deletes a key that a values file sets to null, so templates meet each key missing."""
    message = refusal(with_null(path))
    by_schema = "missing propert" in message and f"'{path[-1]}'" in message
    by_rule = "The values of this job have errors" in message
    assert not message or by_schema or by_rule


@pytest.mark.parametrize("setting", SETTINGS)
def test_null_for_any_setting_of_a_role_is_rendered_or_refused_by_name(setting: str) -> None:
    message = refusal(with_null(("worker", setting)))
    assert not message or f"at '/worker/{setting}'" in message


def _comparable(rendered: Rendered) -> list[Any]:
    """Everything but hashes, which change with every value."""
    text = json.dumps(rendered.objects)
    for hashed in (rendered.job_spec()["runId"], rendered.one("Job")["metadata"]["name"]):
        text = text.replace(hashed, "HASH")
    return json.loads(text)  # type: ignore[no-any-return]
