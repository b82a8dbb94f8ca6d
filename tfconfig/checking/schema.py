"""Checks values against a JSON Schema: each error of it becomes a diagnostic at the place that set the value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tfconfig.checking import limits, meant
from tfconfig.checking.patterns import DESCRIPTIONS, as_go
from tfconfig.checking.words import instead
from tfconfig.diagnostics import Diagnostic, dotted
from tfconfig.values.helm_yaml import kind, resolve
from tfconfig.values.load import Values
from tfconfig.values.secrecy import a_kind, is_secret

# The kinds of errors, and the rules under which those of the chart's own schema are reported.
UNKNOWN, TYPE, VALUE, MISSING, EXACTLY_ONE = "unknown", "type", "value", "missing", "exactlyOne"
RULES = {UNKNOWN: "TFC010", TYPE: "TFC011", VALUE: "TFC012", MISSING: "TFC013"}

_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "a boolean",
    "array": "a list",
    "object": "a map",
    "null": "null",
}
Path = tuple[str | int, ...]


def check(values: Values) -> list[Diagnostic]:
    """Everything the chart's schema, and so Helm itself, refuses in these values; not what that of an umbrella does."""
    # The chart's own defaults are valid, and most of the time would go into them.
    given = {key: values.data[key] for key, node in values.root.value.items() if not node.origin.default}
    schema = values.chart.schema
    diagnostics = (item for error in errors(schema, given) for item in explain(error, values, schema, RULES))
    return limits.first(diagnostics)


def errors(schema: Mapping[str, Any], instance: Any) -> Iterator[Any]:
    """The errors of jsonschema, with `pattern` as in Go and the additional keyword `exactlyOne`.

    `instance` is a part of the values that starts at their top.
    """
    from referencing import Registry

    validator = _validator_class()(schema, registry=Registry())  # else it fetches what a $ref names
    yield from validator.iter_errors(instance)


@cache
def _validator_class() -> Any:
    from jsonschema import Draft7Validator  # here, because its import takes 0.1 s
    from jsonschema.validators import extend

    make: Any = extend  # untyped in types-jsonschema
    return make(Draft7Validator, {"pattern": _pattern, "exactlyOne": _exactly_one})


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """JSON Schema's `pattern` as Helm's Go reads it."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not as_go(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _exactly_one(_validator: Any, keys: Sequence[str], instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(instance, dict) or instance.keys() - schema["properties"].keys():
        return  # a misspelt key may be the right one
    if sum(instance.get(key) is not None for key in keys) != 1:
        yield ValidationError(f"not exactly one of {keys}")


def explain(error: Any, values: Values, schema: Mapping[str, Any], rules: Mapping[str, str]) -> Iterator[Diagnostic]:
    """The diagnostics of an error of jsonschema. `rules`: the rule to report for each kind of error."""

    def at(broken: str, path: Path, message: str, fix: str, key: bool = False) -> Diagnostic:
        shown = values.shown(path) or "values"
        if is_secret(path) and not isinstance(error.instance, (dict, list, type(None))):
            message = message.replace(kind(error.instance), a_kind(error.instance))
        return Diagnostic.at(values.origin(path, key), rules[broken], f"{shown}: {message}", fix, shown)

    path: Path = tuple(error.absolute_path)
    if error.validator in ("anyOf", "oneOf") and error.context:
        for branch in _best_branch(error):
            yield from explain(branch, values, schema, rules)
    elif error.validator == "additionalProperties" and error.schema[error.validator] is False:
        for key in _unknown_keys(error):
            fix = _unknown_key_fix(key, list(error.schema.get("properties", {})), path, schema)
            if not values.is_set((*path, key)):
                fix += " (a default of the chart itself; please report this)"
            yield at(UNKNOWN, (*path, key), "unknown key", fix, key=True)
    elif error.validator == "required":
        present = error.instance if path else values.data  # at the top, defaults are there but not checked
        for key in error.validator_value:
            if key not in present:
                yield at(MISSING, (*path, key), *_missing((*path, key), values))
    elif error.validator == "exactlyOne":
        keys = error.validator_value
        given = [key for key in keys if error.instance.get(key) is not None]
        if given:
            yield at(EXACTLY_ONE, path, f"{' and '.join(given)} exclude each other", "keep one of them")
        else:
            yield at(EXACTLY_ONE, path, "empty", f"set one of {_few(keys)}")
    elif "propertyNames" in error.relative_schema_path:
        message, fix = _value(error)
        yield at(VALUE, (*path, error.instance), message.replace("the string", "the key", 1), fix, key=True)
    elif error.validator == "type":
        yield at(TYPE, path, *_type(error, str(values.origin(path)), path))
    else:
        yield at(VALUE, path, *_value(error))


def _best_branch(error: Any) -> list[Any]:
    """Of the alternatives of a oneOf or anyOf, the errors of the one that was probably meant."""
    branches: dict[Any, list[Any]] = {}
    for sub in error.context:
        branches.setdefault(sub.relative_schema_path[0], []).append(sub)

    def distance(errors: list[Any]) -> tuple[bool, int, int]:
        wrong_type = any(e.validator == "type" and not e.relative_path for e in errors)
        return wrong_type, -max(len(e.relative_path) for e in errors), len(errors)

    best = min(branches.values(), key=distance)
    if distance(best)[0]:  # no alternative has even the right type: name all types
        names: list[str] = []
        for sub in error.context:
            if sub.validator == "type" and not sub.relative_path:
                names += [sub.validator_value] if isinstance(sub.validator_value, str) else sub.validator_value
        first = next(e for e in best if e.validator == "type" and not e.relative_path)
        first.validator_value = list(dict.fromkeys(names))
        return [first]
    return best


def _unknown_keys(error: Any) -> Iterator[str]:
    known = error.schema.get("properties", {})
    patterns = error.schema.get("patternProperties", {})
    for key in error.instance:
        if key not in known and not any(re.search(pattern, key) for pattern in patterns):
            yield key


def _unknown_key_fix(key: str, known: Sequence[str], path: Path, schema: Mapping[str, Any]) -> str:
    elsewhere = [place for place in _places(schema) if place[-1] == key and place[:-1] != path]
    elsewhere = [place for place in elsewhere if place[: len(path)] == path] or elsewhere
    if (advice := instead(key)) and path[:1] != ("podSpec",):
        return advice
    if close := _close(key, known, 0.75):
        return f"did you mean {close}?"
    if elsewhere:
        return f"did you mean {' or '.join(dotted(place) for place in elsewhere[:3])}?"
    if maybe := _close(key, known):
        return f"did you mean {maybe}?"
    return f"remove it; the keys here are {_few(known)}" if known else "remove it"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 30 else ", ".join(names[:30]) + ", …"


def _places(schema: Mapping[str, Any], prefix: Path = ()) -> Iterator[Path]:
    """The paths of all keys that the schema names outright."""
    for key, sub in schema.get("properties", {}).items():
        yield (*prefix, key)
        yield from _places(sub, (*prefix, key))


def _close(text: str, known: Sequence[Any], cutoff: float = 0.6) -> str | None:
    """The known name that was probably meant."""
    names = {str(name).lower(): str(name) for name in known if name is not None}
    near = difflib.get_close_matches(text.lower(), names, n=1, cutoff=cutoff)
    return names[near[0]] if near else None


def _missing(path: Path, values: Values) -> tuple[str, str]:
    default: Any = values.chart.defaults
    for part in path:
        default = default.value.get(part) if default is not None and isinstance(default.value, dict) else None
    if default is not None:  # the chart has a default, so a null in the user's values removed it
        return "null, but required", "set a value, or remove the key to use the default"
    return "missing", f"add {path[-1]}"


def _type(error: Any, origin: str, path: Path) -> tuple[str, str]:
    allowed = error.validator_value
    types = [allowed] if isinstance(allowed, str) else list(allowed)
    names = [_TYPES.get(name, name) for name in types if name != "null"] or ["null"]
    expected = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]
    value = error.instance
    fix = _type_fix(value, types, expected, origin)
    if "object" in types and fix == f"use {expected}" and (isinstance(value, list) or not is_secret(path)):
        fix = f"write a map: {meant.a_map(value, error.schema, path)}"
    return f"expected {expected}, found {kind(value)}", fix


def _type_fix(value: Any, types: list[str], expected: str, origin: str) -> str:
    numeric = {"integer", "number"} & set(types)
    if isinstance(value, str) and not origin.startswith("--set"):
        meaning = resolve(value)[0]
        if (meaning in ("int", "float") and numeric) or (meaning == "bool" and "boolean" in types):
            return "remove the quotes"
    if isinstance(value, str) and "array" in types:
        return "write a list: [one, two]"
    if "string" in types and isinstance(value, (bool, int, float)):
        return "use --set-string" if origin.startswith("--set ") else "quote the value"
    if isinstance(value, float) and "integer" in types:
        return "use an integer"
    if value is None:
        return f"use {expected}, or remove the key"
    return f"use {expected}"


def _value(error: Any) -> tuple[str, str]:
    """Message and fix for a value of the right type."""
    value, limit, schema = error.instance, error.validator_value, error.schema
    if error.validator in ("enum", "const"):
        allowed = [name for name in (limit if error.validator == "enum" else [limit]) if name is not None]
        close = _close(value, allowed) if isinstance(value, str) else None
        names = ", ".join(map(str, allowed))
        return f"{kind(value)} is not one of {names}", f"did you mean {close}?" if close else f"use one of {names}"
    if error.validator in ("minimum", "maximum"):
        low, high = schema.get("minimum"), schema.get("maximum")
        side = "less than" if error.validator == "minimum" else "more than"
        if low is None or high is None:
            return f"{value} is {side} {limit}", f"use {limit} or {'more' if high is None else 'less'}"
        return f"{value} is {side} {limit}", f"use {low} or {high}" if high - low == 1 else f"use {low} to {high}"
    if error.validator in ("minItems", "minProperties", "minLength"):
        return f"{kind(value)} is too short", f"use at least {limit}"
    if error.validator in ("maxItems", "maxProperties"):
        return f"{len(value)} entries, but at most {limit} are allowed", "remove some"
    if error.validator == "maxLength":
        return f"{kind(value)} has {len(value)} characters", f"use at most {limit} characters"
    if error.validator == "uniqueItems":
        return "duplicate entries", "remove the duplicates"
    if error.validator == "pattern":
        return f"{kind(value)} has the wrong format", f"use {DESCRIPTIONS.get(limit, f'a string that matches {limit}')}"
    return f"{kind(value)} is not allowed here ({error.validator})", "see the comments in the chart's values.yaml"
