"""A platform team's own rules: a JSON Schema (draft-07) over the effective values of a job, with its own messages.

Beside the keys of the values it sees `roles`, `images` and `totals` (values/effective.py), and `objects`, by
`Kind/name`, when they are rendered. What it asks for and cannot see is an error that nobody can ignore.

`errorMessage` beside the keywords of a schema is the message of the errors there: a string, or a map from the keyword
(`type`, `maximum`, …) to a string. The nearest one outwards counts; without any, the message is that of the keyword.

`mayIgnore` at its top lists the rules, or the beginnings of their ids, that comments in the values may ignore; without
it, these are all warnings. Nobody ignores what the policy itself refuses.

What would check nothing is refused (policy_keywords.py): whoever wrote it believes that it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path as File
from typing import Any
from urllib.parse import unquote

from tfconfig.checking import limits, policy_keywords
from tfconfig.checking.patterns import as_go
from tfconfig.checking.schema import MISSING, TYPE, UNKNOWN, VALUE, errors, explain, why_no_schema
from tfconfig.diagnostics import WARNING, Diagnostic
from tfconfig.terminal import visible
from tfconfig.values.effective import KEYS, NAMES, effective
from tfconfig.values.helm_yaml import Node, plain, read
from tfconfig.values.load import Values

RULE, BLIND = "TFC400", "TFC401"
_DIALECT = re.compile(r"https?://json-schema\.org/draft-07/schema#?")
_NAMED = ("definitions", "$defs")  # schemas that stand nowhere until a $ref leads to them
_RULES = dict.fromkeys((UNKNOWN, TYPE, VALUE, MISSING), RULE)


class PolicyError(Exception):
    """A policy file that cannot be used: a usage error, not a diagnostic. Says where and why, and what to do."""


@dataclass(frozen=True)
class Policy:
    """One policy file."""

    file: str
    schema: Mapping[str, Any]

    def may_ignore(self, diagnostic: Diagnostic) -> bool:
        """Whether a comment in the values may ignore a diagnostic of the tool's own rules."""
        ids: list[str] | None = self.schema.get("mayIgnore")
        return diagnostic.severity == WARNING if ids is None else diagnostic.rule.startswith(tuple(ids))

    @cached_property
    def asks_for(self) -> set[str]:
        """Those of the keys beside the values that it is about."""
        parts = [part for _, part in _schemas(self.schema, ())]
        named = {key for part in parts for key in (*part.get("properties", ()), *part.get("required", ()))}
        return named & KEYS

    @property
    def name(self) -> str:
        """Its name in messages."""
        title = self.schema.get("title")
        return title if isinstance(title, str) else File(self.file).name


def load(file: str) -> Policy:
    """Read a policy file, YAML or JSON. Raises PolicyError."""
    try:
        document = read(File(file).read_bytes(), file)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise PolicyError(f"{file}: {reason}; give the path of a policy (a JSON Schema)") from None
    for diagnostic in document.diagnostics:
        raise PolicyError(f"{file}:{diagnostic.line}:{diagnostic.column}: {diagnostic.message}; {diagnostic.fix}")
    _check(document.root, file)
    return Policy(file, plain(document.root))


def check(values: Values, policies: Sequence[Policy], objects: Mapping[str, Any] | None = None) -> list[Diagnostic]:
    """The violations of policies, each at the user's line. Raises PolicyError.

    `objects`: those that Helm renders, by `Kind/name`; None: not rendered.
    """
    if not policies:
        return []
    diagnostics: list[Diagnostic] = []
    try:
        view = effective(values, objects)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        view = values
    for policy in policies:
        hidden = sorted(policy.asks_for - view.data.keys())
        if hidden:
            diagnostics.append(_blind(values, policy, hidden))
        diagnostics += limits.first(_violations(view, policy))
    return diagnostics


def _blind(values: Values, policy: Policy, hidden: Sequence[str]) -> Diagnostic:
    names = " and ".join(hidden)
    message = f"{policy.name} is about {names}, which cannot be worked out from wrong values"
    fix = "fix the errors in the values"
    if hidden == ["objects"]:
        message = f"{policy.name} is about the rendered objects"
        fix = "add --rendered, which needs helm on PATH and values without errors"
    return Diagnostic.at(values.root.origin, BLIND, message, fix)


def _violations(values: Values, policy: Policy) -> Iterator[Diagnostic]:
    from referencing.exceptions import Unresolvable

    try:
        violations = sorted(islice(errors(policy.schema, values.data), limits.MAX_DIAGNOSTICS + 1), key=_by_role)
    except RecursionError:
        raise PolicyError(f"{policy.file}: a $ref leads to itself; remove it") from None
    except Unresolvable as e:  # below an $id of its own
        raise PolicyError(f"{policy.file}: {e.ref} is not in this file; other files are not read") from None
    seen: set[tuple[object, ...]] = set()
    for error in violations:
        message = _message(error, policy.schema)
        path = tuple(error.absolute_path)
        for diagnostic in explain(error, values, policy.schema, _RULES):
            if path[:1] == ("roles",):  # once, if it is the same for several roles
                same = (path[2:], error.validator, diagnostic.file, diagnostic.line, diagnostic.column)
                if same in seen:
                    break
                seen.add(same)
            if message:
                yield replace(diagnostic, message=f"{diagnostic.path}: {message}", fix=f"required by {policy.name}")
                break  # the message is about the error as a whole
            yield replace(diagnostic, fix=f"{diagnostic.fix} ({policy.name})")


def _by_role(error: Any) -> list[str]:
    """Puts the errors of roles into one order; jsonschema has them in any."""
    path = [str(part) for part in error.absolute_path]
    return path if path[:1] == ["roles"] else []


def _message(error: Any, schema: Mapping[str, Any]) -> str:
    """The errorMessage for an error: the nearest on the way from it to the top of the schema."""
    nearest = ""
    for part, keyword in _schemas_around(error, schema):
        message = part.get("errorMessage") if isinstance(part, dict) else None
        if isinstance(message, dict):
            message = message.get(keyword)
        if isinstance(message, str):
            nearest = message
    return nearest


def _schemas_around(error: Any, schema: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Every part of the schema that contains an error, from the top inwards, with the keyword that leads to the error.

    jsonschema leaves $ref out of the path of an error, so references are followed here.
    """
    part: Any = schema
    for keyword in map(str, error.absolute_schema_path):
        yield part, keyword
        while isinstance(part, dict) and isinstance(part.get("$ref"), str):
            part = _target(schema, part["$ref"])
            yield part, keyword
        part = _child(part, keyword)


def _child(part: Any, key: str) -> Any:
    if isinstance(part, list):
        return part[int(key)]
    return part.get(key) if isinstance(part, dict) else None


def _target(schema: Any, reference: str) -> Any:
    """The target of a $ref within the document; None where there is nothing."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    for part in _pointer(reference):
        if isinstance(schema, list) and part.isdecimal() and int(part) < len(schema):
            schema = schema[int(part)]
        else:
            schema = schema.get(part) if isinstance(schema, dict) else None
    return schema


def _pointer(reference: str) -> list[str]:
    """The steps of a `#/…` (RFC 6901, section 6)."""
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in reference.removeprefix("#").split("/")[1:]]


def _check(root: Node, file: str) -> None:
    """Raise PolicyError for what is not a schema of draft-07, with its place."""
    from jsonschema import Draft7Validator, SchemaError

    schema = plain(root)

    def refuse(path: Sequence[Any], message: str) -> None:
        node = root
        for part in path:
            node = node.value[part]
        place = node.key_origin or node.origin
        raise PolicyError(f"{file}:{place.line}:{place.column}: {message}")

    if not schema:
        refuse((), "the policy is empty; write a JSON Schema of the values, with its properties")
    dialect = schema.get("$schema", "http://json-schema.org/draft-07/schema#")
    if not isinstance(dialect, str) or not _DIALECT.fullmatch(dialect):
        refuse(
            ["$schema"], "a policy is a JSON Schema of draft-07; set $schema: http://json-schema.org/draft-07/schema#"
        )
    ids = schema.get("mayIgnore", [])
    if not isinstance(ids, list) or not all(isinstance(id, str) and re.fullmatch("TFC[0-9]{0,3}", id) for id in ids):
        refuse(["mayIgnore"], "not a list of rules; write the ids, or their beginnings: [TFC305, TFC31]")
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as e:
        refuse(list(e.absolute_path), f"not a JSON Schema of draft-07: {why_no_schema(e)}")
    except (ValueError, OverflowError, RecursionError) as e:  # from inside `re`, or nested a thousand deep
        refuse((), f"not a JSON Schema of draft-07: {e}")
    parts = list(_schemas(schema, ()))
    schemas = {id(part) for _, part in parts}
    for path, part in parts:
        for keyword, why in policy_keywords.unread(part, not path):
            refuse([*path, keyword], why)
        for name, why in _unknown_names(path, part):
            refuse([*path, "properties", name], why)
        if "$ref" in part:
            target = _target(schema, part["$ref"])
            if target is None:
                refuse([*path, "$ref"], f"{visible(part['$ref'])} is not in this file; other files are not read")
            if not isinstance(target, bool) and id(target) not in schemas:
                refuse([*path, "$ref"], f"{visible(part['$ref'])} is not a schema; write one below definitions")
        places = [([*path, "pattern"], part["pattern"])] if "pattern" in part else []
        places += [([*path, "patternProperties", key], key) for key in part.get("patternProperties", {})]
        for place, pattern in places:
            try:
                as_go(pattern)
                re.compile(pattern)  # as jsonschema itself reads patternProperties
            except (ValueError, OverflowError, RecursionError, re.error) as e:
                refuse(place, f"{e}; correct it")


def _unknown_names(path: tuple[Any, ...], part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names that roles or totals do not have, and why each is refused, where a schema is that of either."""
    *before, key = path or ("",)
    if before[-1:] != ["properties"] or key not in NAMES or {"properties", *_NAMED} & set(before[:-1]):
        return
    for name in part.get("properties", {}):
        if name not in NAMES[key]:
            yield name, f"{key} has no {visible(name)}, only {', '.join(NAMES[key])}; nothing would be checked"


def _schemas(part: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Every schema within a schema, with its path. (What `enum` and `const` contain is data.)"""
    if not isinstance(part, dict):
        return
    yield path, part
    for key, value in part.items():
        if key in ("properties", "patternProperties", *_NAMED, "dependencies") and isinstance(value, dict):
            for name, child in value.items():
                yield from _schemas(child, (*path, key, name))
        elif key in ("allOf", "anyOf", "oneOf", "items") and isinstance(value, list):
            for i, child in enumerate(value):
                yield from _schemas(child, (*path, key, i))
        elif key in (
            "items",
            "additionalItems",
            "additionalProperties",
            "propertyNames",
            "contains",
            "not",
            "if",
            "then",
            "else",
        ):
            yield from _schemas(value, (*path, key))
