"""The table of Kubernetes' fields is that of the API's own OpenAPI documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tfconfig.checking.rules import pod_schema

CORE, NETWORK = "io.k8s.api.core.v1.", "io.k8s.api.networking.v1."
ROOTS = {
    **{name.removesuffix("[]"): CORE + name.removesuffix("[]") for name in pod_schema.PLACES.values()},
    "PodSpec": CORE + "PodSpec",
    "Resources": CORE + "ResourceRequirements",
    "EnvVarSource": CORE + "EnvVarSource",
    "Peer": NETWORK + "NetworkPolicyPeer",
}
ADDED = {"MoreOfContainer", "MoreOfPodSpec"}  # the same fields, none of them required
# One type here for several there, of which not all have the field.
SHARED = {"optional", "kind", "name", "claims"}


def definitions(version: str) -> dict[str, Any]:
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}-local"
    document = json.loads((folder / "_definitions.json").read_text("utf-8"))
    by_name: dict[str, Any] = document.get("$defs") or document["definitions"]
    return by_name


def inner(schema: dict[str, Any]) -> str:
    """The definition that a field, a list of it or a map of it refers to."""
    for part in (schema, schema.get("items", {}), schema.get("additionalProperties", {})):
        if isinstance(part, dict) and "$ref" in part:
            return str(part["$ref"]).rpartition("/")[2]
    return ""


@pytest.mark.parametrize("version", ["1.28.0", "1.32.0", kubernetes_validate.latest_version()])
def test_table_has_the_fields_of_kubernetes(version: str) -> None:
    known, table = definitions(version), pod_schema.types()
    todo, seen = [item for item in ROOTS.items() if item[0] not in ADDED], set()
    while todo:
        mine, theirs = todo.pop()
        if (mine, theirs) in seen or mine not in table:
            continue
        seen.add((mine, theirs))
        pairs = [word.partition(":") for word in table[mine].split() if ":" in word]
        types = {name.removesuffix("!"): type_.rstrip("[]{}") for name, _, type_ in pairs}
        properties = known[theirs]["properties"]
        assert properties.keys() - types.keys() == set(), f"{mine} lacks fields of {theirs}"
        if version == kubernetes_validate.latest_version():
            assert types.keys() - properties.keys() - SHARED == set(), f"{mine} has more than {theirs}"
        needed = {name[:-1] for name, _, _ in pairs if name.endswith("!")}
        assert set(known[theirs].get("required", [])) <= needed, f"{mine}: required in {theirs}"
        todo += [(types[name], inner(schema)) for name, schema in properties.items()]
    if version == kubernetes_validate.latest_version():
        assert {mine for mine, _ in seen} >= table.keys() - {"VolumeSource", *ADDED}
