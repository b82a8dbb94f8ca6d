"""Checks values against a JSON Schema: each error of it becomes a diagnostic at the place that set the value."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tfconfig.checking import limits, meant
from tfconfig.checking.patterns import DESCRIPTIONS, QUANTITIES, REPOSITORY, as_go
from tfconfig.checking.words import VALUES, instead
from tfconfig.diagnostics import Diagnostic, dotted, spelt
from tfconfig.values import image_reference
from tfconfig.values.chart import Chart, UnreadableError, bundled
from tfconfig.values.effective import KEYS
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
_At = Callable[..., Diagnostic]
_CLAIM = "persistentVolumeClaim"
_BYTES = 2**20  # less than this many are too few for a volume


def check(values: Values) -> list[Diagnostic]:
    """Everything the chart's schema, and so Helm itself, refuses in these values; not what that of an umbrella does."""
    from referencing.exceptions import Unresolvable

    # The chart's own defaults are valid, and most of the time would go into them.
    given = {key: values.data[key] for key, node in values.root.value.items() if not node.origin.default}
    schema = values.chart.schema
    _require_sound(values.chart)
    diagnostics = (item for error in errors(schema, given) for item in explain(error, values, schema, RULES))
    file = values.chart.place("values.schema.json")
    try:
        return limits.first(diagnostics)
    except RecursionError:
        raise UnreadableError(f"{file}: a $ref leads to itself; remove it") from None
    except Unresolvable as e:
        raise UnreadableError(f"{file}: $ref {e.ref} is not in this file; other files are not read") from None


def _require_sound(chart: Chart) -> None:
    """Raise UnreadableError for a chart's schema that is none. That of this installation is one."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    if chart.schema == bundled().schema:
        return
    file = chart.place("values.schema.json")
    validator = _validator_class()
    if isinstance(chart.schema.get("$schema"), str):
        validator = validator_for(chart.schema, default=validator)
    try:
        validator.check_schema(chart.schema)
    except SchemaError as e:
        place = dotted(list(e.absolute_path)) or "its top"
        raise UnreadableError(f"{file}: {place}: {why_no_schema(e)}") from None
    except (ValueError, OverflowError, RecursionError) as e:  # from inside `re`, or nested a thousand deep
        raise UnreadableError(f"{file}: not a JSON Schema: {e}") from None


def why_no_schema(error: Any) -> str:
    """What a SchemaError of jsonschema says, in the words of the other messages."""
    error = _best_branch(error)[0] if error.context else error
    message, fix = _type(error, "", ()) if error.validator == "type" else _value(error)
    return f"{message}; {fix}"


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
    return make(Draft7Validator, {"pattern": _pattern, "properties": _properties, "exactlyOne": _exactly_one})


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """JSON Schema's `pattern` as Helm's Go reads it."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not as_go(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _properties(validator: Any, properties: Mapping[str, Any], instance: Any, _schema: Any) -> Iterator[Any]:
    """As in jsonschema, which forgets where the schema `false` stands."""
    for key in properties if isinstance(instance, dict) else ():
        if key in instance:
            for error in validator.descend(instance[key], properties[key], path=key, schema_path=key):
                if properties[key] is False and not error.path:
                    error.path.appendleft(key)
                    error.schema_path.appendleft(key)
                yield error


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
        yield from _unknown(error, values, schema, at, of_a_policy=rules is not RULES)
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


def _unknown(error: Any, values: Values, schema: Mapping[str, Any], at: _At, of_a_policy: bool) -> Iterator[Diagnostic]:
    """A diagnostic for each key that the user set, and one for those of the chart, which a team's schema sees too."""
    path: Path = tuple(error.absolute_path)
    made = KEYS if of_a_policy and not path else frozenset[str]()
    keys = list(_unknown_keys(error))
    others = [key for key in keys if key in made or not values.is_set((*path, key))]
    of_a_team = of_a_policy or not values.chart.strategies
    if others and of_a_team:
        seen = f"the defaults of the chart{' and the keys beside the values' if made else ''} are checked too"
        fix = "name them below properties, or leave additionalProperties out"
        yield at(UNKNOWN, path, f"unknown keys {_few(others)}: {seen}", fix)
    for key in keys:
        if key in others and of_a_team:
            continue
        fix = _unknown_key_fix(key, list(error.schema.get("properties", {})), path, schema)
        if key in others:
            fix += " (a default of the chart itself; please report this)"
        yield at(UNKNOWN, (*path, key), "unknown key", fix, key=True)


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
    from tfconfig.checking.rules.pod_schema import fields  # here, because the rules need this module

    head, colon, rest = key.partition(":")
    if colon and rest and head in known:
        return f"write a blank after the colon: {head}: {rest}…"
    if path[:1] == ("data",) and len(path) == 2 and key in fields("VolumeSource"):
        return "set existingClaim to its name" if key == _CLAIM else f"write volume: {{{key}: …}}"
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


def _places(schema: Any, prefix: Path = ()) -> Iterator[Path]:
    """The paths of all keys that the schema names outright."""
    if not isinstance(schema, dict):  # true and false are schemas too
        return
    for key, sub in schema.get("properties", {}).items():
        yield (*prefix, key)
        yield from _places(sub, (*prefix, key))


def _close(text: str, known: Sequence[Any], cutoff: float = 0.6) -> str | None:
    """The known name that was probably meant."""
    names = {str(name).lower(): str(name) for name in known if name is not None}
    near = difflib.get_close_matches(text.lower(), names, n=1, cutoff=cutoff)
    return names[near[0]] if near else None


def _is_a_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


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
    head, colon, rest = value.partition(":") if isinstance(value, str) and not is_secret(path) else ("", "", "")
    if colon and rest and head in error.schema.get("properties", {}):
        fix = f"write a blank after the colon: {head}: {rest}"
    elif _is_a_number(value) and 0 < value < _BYTES and error.schema.get("pattern") in QUANTITIES:
        fix = f"did you mean {spelt(value)}Gi?"
    elif "object" in types and fix == f"use {expected}" and (isinstance(value, list) or not is_secret(path)):
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
        names = ", ".join(map(spelt, allowed))
        is_it = "is not one of" if len(allowed) > 1 else "is not"
        fix = f"did you mean {close}?" if close else f"use {'one of ' if len(allowed) > 1 else ''}{names}"
        if isinstance(value, str) and value in VALUES and "OnFailure" in allowed:
            fix = VALUES[value]
        return f"{kind(value)} {is_it} {names}", fix
    if error.validator in ("minimum", "maximum"):
        low, high = schema.get("minimum"), schema.get("maximum")
        side = "less than" if error.validator == "minimum" else "more than"
        if low is None or high is None:
            return f"{spelt(value)} is {side} {limit}", f"use {limit} or {'more' if high is None else 'less'}"
        return (
            f"{spelt(value)} is {side} {limit}",
            f"use {low} or {high}" if high - low == 1 else f"use {low} to {high}",
        )
    if error.validator in ("minItems", "minProperties", "minLength"):
        return f"{kind(value)} is too short", f"use at least {limit}"
    if error.validator in ("maxItems", "maxProperties"):
        return f"{len(value)} entries, but at most {limit} are allowed", "remove some"
    if error.validator == "maxLength":
        return f"{kind(value)} has {len(value)} characters", f"use at most {limit} characters"
    if error.validator == "uniqueItems":
        return "duplicate entries", "remove the duplicates"
    if error.validator == "pattern":
        fix = image_reference.without_tag(value, as_go(limit).search) if limit == REPOSITORY else ""
        fix = fix or f"use {DESCRIPTIONS.get(limit, f'a string that matches {limit}')}"
        return f"{kind(value)} has the wrong format", fix
    if error.validator == "multipleOf":
        return f"{spelt(value)} is not a multiple of {limit}", f"use a multiple of {limit}"
    if error.validator in ("exclusiveMinimum", "exclusiveMaximum"):
        side = "more" if error.validator == "exclusiveMinimum" else "less"
        return f"{spelt(value)} is not {side} than {limit}", f"use {side} than {limit}"
    if error.validator == "contains":
        return f"{kind(value)} without an entry that fits {json.dumps(limit)}", "add one"
    if error.validator == "format":
        return f"{kind(value)} is not a {limit}", "correct it"
    if error.validator == "not":
        return f"{kind(value)} is what the schema excludes: {json.dumps(limit)}", "use something else"
    if error.validator is None:  # the schema false
        return f"{kind(value)}, but nothing is allowed here", "remove it"
    return f"{kind(value)} is not allowed by {error.validator}: {json.dumps(limit)}", "use what it asks for"
