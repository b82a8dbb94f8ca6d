"""A platform team's own rules: a JSON Schema (draft-07) over the effective values of a job, with its own messages.

`errorMessage` beside the keywords of a schema is what a finding there says: a text, or a map from the keyword (`type`,
`maximum`, …) to a text. The nearest one outwards counts. Without any, the finding says what the schema says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from tfconfig.checking.schema import errors, explain
from tfconfig.diagnostics import Diagnostic, finding
from tfconfig.values.helm_yaml import Node, plain, read
from tfconfig.values.load import Values

RULE = "TFC400"
_DIALECT = re.compile(r"https?://json-schema\.org/draft-07/schema#?")
_MAX_DEPTH = 50


class PolicyError(Exception):
    """A policy file that cannot be used: a wrong call, not a finding. Says where and why, and what to do."""


@dataclass(frozen=True)
class Policy:
    """One policy file."""

    file: str
    schema: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How findings call it."""
        title = self.schema.get("title")
        return title if isinstance(title, str) else File(self.file).name


def load(file: str) -> Policy:
    """Read a policy file, YAML or JSON."""
    try:
        document = read(File(file).read_bytes(), file)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise PolicyError(f"{file}: {reason}; give the path of a policy, which is a JSON Schema") from None
    for one in document.diagnostics:
        raise PolicyError(f"{one.file}:{one.line}:{one.column}: {one.message}; {one.fix}")
    _check(document.root, file)
    return Policy(file, plain(document.root))


def check(values: Values, policies: Sequence[Policy]) -> list[Diagnostic]:
    """What the policies have against these values, each at the user's line. Raises PolicyError, too."""
    return [one for policy in policies for one in _findings(values, policy)]


def _findings(values: Values, policy: Policy) -> Iterator[Diagnostic]:
    try:
        found = list(errors(policy.schema, values.data))
    except RecursionError:
        raise PolicyError(f"{policy.file}: a $ref that leads to itself; take it out") from None
    for error in found:
        own = _message(error, policy.schema)
        for one in explain(error, values, policy.schema):
            shown = values.shown(one.path) or "values"
            fix = f"{policy.name} asks for this" if own else f"{one.fix} ({policy.name})"
            origin = values.origin(one.path, one.key)
            yield finding(RULE, origin, f"{shown}: {own or one.found}", fix, shown)
            if own:
                break


def _message(error: Any, schema: Any) -> str:
    """The errorMessage for an error: the nearest on the way from it to the top of the schema."""
    message = ""
    here = schema
    for part in [*error.absolute_schema_path, None]:
        for _ in range(_MAX_DEPTH):
            message = _of_keyword(here, str(part if part is not None else error.validator)) or message
            if not (isinstance(here, dict) and "$ref" in here) or part == "$ref":
                break
            here = _target(schema, here["$ref"])
        if part is None:
            break
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            break
    return message


def _of_keyword(schema: Any, keyword: str) -> str:
    message = schema.get("errorMessage") if isinstance(schema, dict) else None
    if isinstance(message, dict):
        message = message.get(keyword)
    return message if isinstance(message, str) else ""


def _target(schema: Any, reference: str) -> Any:
    """What a $ref inside the document refers to; None when nothing is there."""
    for part in reference.removeprefix("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901
        schema = schema.get(part) if isinstance(schema, dict) else None
    return schema


def _check(root: Node, file: str) -> None:
    """Refuse what is no schema of draft-07, at its place."""
    from jsonschema import Draft7Validator, SchemaError

    schema = plain(root)

    def refuse(path: Sequence[Any], why: str) -> None:
        node = root
        for part in path:
            node = node.value[part]
        place = node.key_origin or node.origin
        raise PolicyError(f"{file}:{place.line}:{place.column}: {why}")

    if not schema:
        refuse((), "an empty policy; write a JSON Schema over the values, with its properties")
    dialect = schema.get("$schema", "http://json-schema.org/draft-07/schema#")
    if not isinstance(dialect, str) or not _DIALECT.fullmatch(dialect):
        refuse(["$schema"], "a policy is a JSON Schema of draft-07; set http://json-schema.org/draft-07/schema#")
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as e:
        refuse(list(e.absolute_path), f"no JSON Schema of draft-07: {e.message}")
    for path, part in _schemas(schema, ()):
        if "$ref" in part and _target(schema, part["$ref"]) is None:
            refuse([*path, "$ref"], f"{part['$ref']} is nowhere in this file; other files are not read")


def _schemas(part: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Every schema in a schema, as far as keywords hold some; what `enum`, `const` and texts hold is data."""
    if not isinstance(part, dict):
        return
    yield path, part
    for key, value in part.items():
        if key in ("properties", "patternProperties", "definitions", "dependencies") and isinstance(value, dict):
            for name, child in value.items():
                yield from _schemas(child, (*path, key, name))
        elif key in ("allOf", "anyOf", "oneOf", "items") and isinstance(value, list):
            for i, child in enumerate(value):
                yield from _schemas(child, (*path, key, i))
        elif key in ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"):
            yield from _schemas(value, (*path, key))
