"""Copies the comments of chart/values.yaml to the table in README.md and the descriptions in values.schema.json.

`python hack/values_table.py` rewrites both files; a test fails while they differ from what it would write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).resolve().parents[1] / "chart"
COMMAND = "python hack/values_table.py"
START, END = "<!-- values: written by hack/values_table.py -->", "<!-- end of values -->"

Json = dict[str, Any]


class Value(NamedTuple):
    """One documented key of values.yaml."""

    path: tuple[str, ...]
    default: Any
    description: str


def documented(text: str) -> list[Value]:
    """The keys of a values.yaml that have a `# --` comment, with the comment's lines joined."""
    lines = text.splitlines()

    def comment_above(line: int) -> str:
        continuation: list[str] = []
        for above in reversed(lines[:line]):
            content = above.strip()
            if not content.startswith("#"):
                return ""
            if content.startswith("# -- "):
                return " ".join([content.removeprefix("# -- "), *reversed(continuation)])
            continuation.append(content.removeprefix("#").strip())
        return ""

    def walk(node: yaml.MappingNode, parent: tuple[str, ...]) -> Iterator[Value]:
        for key, value in node.value:
            path = (*parent, str(key.value))
            description = comment_above(key.start_mark.line)
            if description:
                yield Value(path, yaml.safe_load(yaml.serialize(value)), description)
            elif isinstance(value, yaml.MappingNode):
                yield from walk(value, path)

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(walk(root, ()))


def resolve(schema: Json, node: Json) -> Json:
    """A schema node, or the one that its $ref names."""
    while "$ref" in node:
        target: Any = schema
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def at(schema: Json, path: tuple[str, ...]) -> Json:
    """The schema node of a key, as it stands in its parent (a $ref is not followed)."""
    node = schema
    for key in path:
        node = resolve(schema, node)["properties"][key]
    return node


def kind(node: Json) -> str:
    """The type of a value, as the table shows it."""
    types = node.get("type", ["null", "string"] if None in node.get("enum", []) else "string")
    names = [types] if isinstance(types, str) else types
    return " or ".join(sorted(names, key=lambda name: (name == "null", name)))


def table(text: str, schema: Json) -> str:
    """The Markdown table of all values."""
    rows = ["| Key | Type | Default | Description |", "|-----|------|---------|-------------|"]
    for value in documented(text):
        cells = [
            f"`{'.'.join(value.path)}`",
            kind(resolve(schema, at(schema, value.path))),
            f"`{json.dumps(value.default, ensure_ascii=False)}`",
            value.description,
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def readme(current: str, text: str, schema: Json) -> str:
    """README.md with its table rewritten."""
    before, _, rest = current.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{table(text, schema)}\n\n{END}{after}"


def described(schema: Json, text: str) -> str:
    """values.schema.json with its descriptions rewritten."""
    schema = json.loads(json.dumps(schema))
    for value in documented(text):
        node = at(schema, value.path)
        keep = {key: node[key] for key in list(node) if key != "description"}
        node.clear()
        node.update({"description": value.description.replace("`", ""), **keep})
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def renewed() -> dict[Path, str]:
    """File -> what it should contain."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    schema_file, readme_file = CHART / "values.schema.json", CHART / "README.md"
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    return {
        schema_file: described(schema, text),
        readme_file: readme(readme_file.read_text(encoding="utf-8"), text, schema),
    }


if __name__ == "__main__":
    for file, content in renewed().items():
        file.write_text(content, encoding="utf-8")
