"""The chart's JSON Schema over the effective values, told in words at the place that set the value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tfconfig.diagnostics import Diagnostic, dotted, finding
from tfconfig.values.helm_yaml import kind, resolve
from tfconfig.values.load import Values

_RULES = {"unknown": "TFC010", "type": "TFC011", "value": "TFC012", "missing": "TFC013"}

_EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "null",
}
_QUANTITY = r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?"
_IMAGE_NAME = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_REGISTRY = r"[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]+)?"
# What the schema's patterns mean, for people.
FORMS = {
    r"^(/.*)?$": "an absolute path, such as /app",
    r"^/[^:]+$": "an absolute path without a colon, such as /data",
    r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$": "a file name without folders: letters, digits and - _ .",
    r"^[-._a-zA-Z][-._a-zA-Z0-9]*$": "a name of letters, digits and _ - . that does not start with a digit",
    r"^([-._a-zA-Z][-._a-zA-Z0-9]*)?$": "a name of letters, digits and _ - . that does not start with a digit",
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$": (
        "a Kubernetes name such as app or example.com/app: letters, digits and - _ . inside"
    ),
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$": "a label's value: letters, digits and - _ . inside",
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|\$\(JOB\)|\$\(RUN\)|\$\(JOB\)-\$\(RUN\)|\$\(TASKS\))?$": (
        "a label's value (letters, digits and - _ . inside), $(JOB), $(RUN_ID), $(JOB)-$(RUN_ID) or $(TASKS)"
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$": "the name of a Python module, such as package.module",
    r"^([A-Za-z0-9_][-._A-Za-z0-9]*(/[A-Za-z0-9_][-._A-Za-z0-9]*)*)?$": "a path below the volume, such as runs/first",
    r"^(-|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$": "the name of a storage class, or - for none",
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "a name of lower-case letters, digits and -",
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$": "the name of a Kubernetes object: lower-case letters, digits, - and .",
    f"^({_QUANTITY})?$": "a Kubernetes quantity, such as 8Gi or 500m",
    f"^{_QUANTITY}$": "a Kubernetes quantity, such as 8Gi or 500m",
    f"^({_REGISTRY})?$": "a registry's host, such as registry.example.com:5000",
    f"^({_REGISTRY}/)?{_IMAGE_NAME}(/{_IMAGE_NAME})*$": "an image without its tag, such as tensorflow/tensorflow",
    r"^([A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?$": "an image's tag, such as 2.21.0",
    r"^([0-9]+(ms|s|m|h))?$": "a time with its unit, such as 30s or 1m",
    r"^(sha256:[a-f0-9]{64})?$": "sha256: and 64 lower-case hexadecimal digits",
}
# Keys that people expect and that are left out on purpose: what to do instead.
REFUSED = {
    "hostNetwork": "remove it: on a node's own network no network policy keeps others away from TensorFlow's servers, "
    "and two tasks on a node want one port; values/rdma.yaml tells how to use fast networks",
}
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Complaint:
    """What a JSON Schema has against a value, in words."""

    kind: str  # unknown, type, value, missing, or a keyword of its own
    path: Path
    found: str
    fix: str
    key: bool = False  # the key is the mistake rather than its value


def check(values: Values) -> list[Diagnostic]:
    """Everything the chart's schema, and so Helm itself, refuses in these values."""
    found = check(values.around) if values.around and values.around.chart.schema else []
    # The chart's own defaults are right, and most of the work would be theirs.
    given = {key: values.data[key] for key, node in values.root.value.items() if not node.origin.default}
    for one in complaints(values.chart.schema, given, values):
        if one.kind == "missing" and len(one.path) == 1 and one.path[0] in values.data:
            continue
        shown = values.shown(one.path) or "values"
        origin = values.origin(one.path, one.key)
        found.append(finding(_RULES[one.kind], origin, f"{shown}: {one.found}", one.fix, shown))
    return found


def complaints(schema: Mapping[str, Any], instance: Any, values: Values) -> Iterator[Complaint]:
    """What a schema has against `instance`, a part of the values that begins at their top."""
    for error in errors(schema, instance):
        yield from explain(error, values, schema)


_VALIDATORS: dict[int, Any] = {}  # by the id of a schema; each is kept, so no id comes twice


def errors(schema: Mapping[str, Any], instance: Any) -> Iterator[Any]:
    """The errors of jsonschema, with `pattern` as in Go and `exactlyOne` as a keyword of ours."""
    if id(schema) not in _VALIDATORS:
        _VALIDATORS[id(schema)] = _class()(schema), schema
    return iter(_VALIDATORS[id(schema)][0].iter_errors(instance))


@cache
def _class() -> Any:
    from jsonschema import Draft7Validator  # here, because its import takes 0.1 s
    from jsonschema.validators import extend

    make: Any = extend  # untyped in types-jsonschema
    return make(Draft7Validator, {"pattern": _pattern, "exactlyOne": _exactly_one})


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """JSON Schema's `pattern` as Helm's Go reads it: ASCII classes, and $ does not match before a last line break."""
    from jsonschema import ValidationError

    strict = re.sub(r"(?<!\\)\$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(strict, instance, re.ASCII):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _exactly_one(_validator: Any, keys: Sequence[str], instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(instance, dict) or instance.keys() - schema["properties"].keys():
        return  # a misspelt key may be the one
    if sum(instance.get(key) is not None for key in keys) != 1:
        yield ValidationError(f"not exactly one of {keys}")


def explain(error: Any, values: Values, schema: Mapping[str, Any]) -> Iterator[Complaint]:
    """An error of jsonschema in words."""
    path: Path = tuple(error.absolute_path)
    if error.validator in ("anyOf", "oneOf") and error.context:
        for branch in _best_branch(error):
            yield from explain(branch, values, schema)
    elif error.validator == "additionalProperties" and error.schema[error.validator] is False:
        yield from _unknown_keys(error, path, values, schema)
    elif error.validator == "required":
        yield from (_missing((*path, key), values) for key in error.validator_value if key not in error.instance)
    elif error.validator == "exactlyOne":
        keys = error.validator_value
        given = [key for key in keys if error.instance.get(key) is not None]
        fix = "keep one of them" if given else f"give one of {_few(keys)}"
        yield Complaint("exactlyOne", path, " and ".join(given) if given else "empty", fix)
    elif "propertyNames" in error.relative_schema_path:
        found, fix = _value(error)
        yield Complaint("value", (*path, error.instance), found.replace("the text", "the name", 1), fix, key=True)
    elif error.validator == "type":
        yield Complaint("type", path, *_type(error, str(values.origin(path))))
    else:
        yield Complaint("value", path, *_value(error))


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


def _unknown_keys(error: Any, path: Path, values: Values, schema: Mapping[str, Any]) -> Iterator[Complaint]:
    known = list(error.schema.get("properties", {}))
    patterns = error.schema.get("patternProperties", {})
    for key in error.instance:
        if key in known or any(re.search(p, key) for p in patterns):
            continue
        close = _close(key, known, 0.75)
        elsewhere = [p for p in _places(schema) if p[-1] == key and p[:-1] != path]
        if key in REFUSED:
            fix = REFUSED[key]
        elif close:
            fix = f"did you mean {close}?"
        elif elsewhere:
            fix = f"write it as {' or '.join(dotted(p) for p in elsewhere[:3])}"
        elif maybe := _close(key, known):
            fix = f"did you mean {maybe}?"
        elif known:
            fix = f"remove it; the keys here are {_few(known)}"
        else:
            fix = "remove it"
        if not values.is_set((*path, key)):
            fix += " (the chart's own default; report this)"
        yield Complaint("unknown", (*path, key), "unknown key", fix, key=True)


def _few(words: Sequence[str]) -> str:
    return ", ".join(words) if len(words) <= 30 else ", ".join(words[:30]) + ", …"


def _places(schema: Mapping[str, Any], prefix: Path = ()) -> Iterator[Path]:
    """The paths of all keys that the schema names outright."""
    for key, sub in schema.get("properties", {}).items():
        yield (*prefix, key)
        yield from _places(sub, (*prefix, key))


def _close(word: str, known: Sequence[Any], cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant."""
    texts = {str(k).lower(): str(k) for k in known if k is not None}
    near = difflib.get_close_matches(word.lower(), texts, n=1, cutoff=cutoff)
    return texts[near[0]] if near else None


def _missing(path: Path, values: Values) -> Complaint:
    default: Any = values.chart.defaults
    for part in path:
        default = default.value.get(part) if default is not None and isinstance(default.value, dict) else None
    if default is not None:  # the chart has one, so a null in the user's values took it away
        return Complaint("missing", path, "null, but it is needed", "give a value, or leave the key out")
    return Complaint("missing", path, "missing", f"add {path[-1]}")


def _type(error: Any, origin: str) -> tuple[str, str]:
    wanted = error.validator_value
    types = [wanted] if isinstance(wanted, str) else list(wanted)
    names = [_EXPECTED.get(t, t) for t in types if t != "null"] or ["null"]
    expected = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]
    value = error.instance
    return f"expected {expected}, found {kind(value)}", _type_fix(value, types, expected, origin)


def _type_fix(value: Any, types: list[str], expected: str, origin: str) -> str:
    numeric = {"integer", "number"} & set(types)
    if isinstance(value, str) and not origin.startswith("--set"):
        meaning = resolve(value)[0]
        if (meaning in ("int", "float") and numeric) or (meaning == "bool" and "boolean" in types):
            return "remove the quotes"
    if isinstance(value, str) and "array" in types:
        return "write a list: [one, two]"
    if "string" in types and isinstance(value, (bool, int, float)):
        return "use --set-string" if origin.startswith("--set ") else "put the value in quotes"
    if isinstance(value, float) and "integer" in types:
        return "give a whole number"
    if value is None:
        return f"give {expected}, or leave the key out"
    return f"give {expected}"


def _value(error: Any) -> tuple[str, str]:
    """What is wrong with a value of the right type, and what to do."""
    value, limit, schema = error.instance, error.validator_value, error.schema
    if error.validator in ("enum", "const"):
        allowed = [a for a in (limit if error.validator == "enum" else [limit]) if a is not None]
        close = _close(value, allowed) if isinstance(value, str) else None
        words = ", ".join(map(str, allowed))
        return f"{kind(value)} is not one of {words}", f"did you mean {close}?" if close else f"give one of {words}"
    if error.validator in ("minimum", "maximum"):
        low, high = schema.get("minimum"), schema.get("maximum")
        side = "less than" if error.validator == "minimum" else "more than"
        if low is None or high is None:
            return f"{value} is {side} {limit}", f"give {limit} or {'more' if high is None else 'less'}"
        return f"{value} is {side} {limit}", f"give {low} or {high}" if high - low == 1 else f"give {low} to {high}"
    if error.validator in ("minItems", "minProperties", "minLength"):
        return f"{kind(value)} is too short", f"give at least {limit}"
    if error.validator in ("maxItems", "maxProperties"):
        return f"{len(value)} entries, and at most {limit} fit", "remove some"
    if error.validator == "maxLength":
        return f"{kind(value)} has {len(value)} characters", f"give at most {limit}"
    if error.validator == "uniqueItems":
        return "the same entry twice", "remove one of them"
    if error.validator == "pattern":
        return f"{kind(value)} does not have the right form", f"give {FORMS.get(limit, f'text of the form {limit}')}"
    return f"{kind(value)} is not allowed here ({error.validator})", "see the comments in the chart's values.yaml"
