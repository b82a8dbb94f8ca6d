"""What a policy must not contain because a validator of draft-07 passes over it, and so over what is wrong. Pure.

draft-07: https://json-schema.org/draft-07/draft-handrews-json-schema-validation-01
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from tfconfig.terminal import visible

_NOTES = {"$comment", "$id", "title", "description", "default", "examples", "readOnly", "writeOnly"}
_NOTES |= {"contentMediaType", "contentEncoding", "definitions", "$defs", "errorMessage"}
_OF_THE_TOP = {"$schema", "mayIgnore"}
_CHECKS = {"type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"}
_CHECKS |= {"maxLength", "minLength", "pattern", "items", "additionalItems", "maxItems", "minItems", "uniqueItems"}
_CHECKS |= {"contains", "maxProperties", "minProperties", "required", "properties", "patternProperties"}
_CHECKS |= {"additionalProperties", "dependencies", "propertyNames", "if", "then", "else"}
_CHECKS |= {"allOf", "anyOf", "oneOf", "not"}
KEYWORDS = _NOTES | _OF_THE_TOP | _CHECKS | {"$ref"}
_NEWER = dict.fromkeys(("dependentRequired", "dependentSchemas"), "dependencies") | {"prefixItems": "items"}
_NEWER |= dict.fromkeys(("unevaluatedProperties", "unevaluatedItems"), "additionalProperties, or additionalItems")
_NEWER |= dict.fromkeys(("minContains", "maxContains"), "contains, which asks for one")


def unread(schema: Mapping[str, Any], top: bool) -> Iterator[tuple[str, str]]:
    """The keywords of one schema that would not be read, and why; `top`: of the policy as a whole."""
    for keyword, value in schema.items():
        if keyword.startswith("x-"):
            continue
        if keyword not in KEYWORDS:
            yield keyword, _why_unknown(keyword)
        elif keyword in _OF_THE_TOP and not top:
            yield keyword, f"{keyword} is read only at the top of a policy"
        elif "$ref" in schema and keyword in _CHECKS:
            yield keyword, f"{keyword} beside $ref is not read in draft-07; put each into an entry of allOf"
        elif keyword in ("then", "else") and "if" not in schema:
            yield keyword, f"{keyword} is not read without if"
        elif keyword == "if" and not schema.keys() & {"then", "else"}:
            yield keyword, "if checks nothing without then or else"
        elif keyword == "additionalItems" and not isinstance(schema.get("items"), list):
            yield keyword, "additionalItems is read only beside a list of items"
        elif keyword == "errorMessage" and (wrong := _wrong_message(value)):
            yield keyword, wrong


def _why_unknown(keyword: str) -> str:
    name = visible(keyword) or repr(keyword)
    near = difflib.get_close_matches(keyword, _CHECKS | _NOTES, 1, 0.8)
    if keyword == "format":
        return "format is not checked; use pattern"
    if keyword in _NEWER:
        return f"{name} is of a newer draft than 07 and would not be read; use {_NEWER[keyword]}"
    fix = f"did you mean {near[0]}?" if near else "keys of the values stand below properties, notes of your own in x-…"
    return f"{name} is no keyword of draft-07 and would not be read; {fix}"


def _wrong_message(message: Any) -> str:
    """Why an errorMessage would never be shown; "" if it may."""
    if isinstance(message, str):
        return ""
    if not isinstance(message, dict):
        return "errorMessage: expected a string, or a map from keywords to strings"
    wrong = next((key for key, text in message.items() if key not in _CHECKS or not isinstance(text, str)), None)
    return "" if wrong is None else f"errorMessage: {visible(wrong)} is no keyword that checks anything, or has no text"
