"""Documents from outside, checked against their types (task/contracts.py) before anything reads them. Pure."""

from __future__ import annotations

import json
import math
import re
import types
import typing
from functools import cache
from typing import Any, Literal, Union

from .timestamps import format_time, parse_time

MAX_INTEGER = 1 << 63
_TIME = re.compile(r"(Time|Timestamp|At|^time|^start)$")  # keys of texts that are times

Place = tuple[str | int, ...]


class ShapeError(ValueError):
    """A document is not of its type: says where, and what was expected."""


def parse_json(text: str | bytes) -> Any:
    """A JSON document, without numbers that JSON does not have. Raises ShapeError for anything else."""
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or a number of thousands of digits
        raise ShapeError(f"not JSON: {error}") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def conforming(value: Any, kind: Any, place: Place = ()) -> Any:
    """The value, without optional keys that are null. Raises ShapeError where it is not of a type.

    A Literal stands for any value of its type: newer charts have more phases and reasons. Keys that the type does not
    have stay as they are.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (kind,) = [argument for argument in arguments if argument is not type(None)]
        return conforming(value, kind, place)
    if origin is Literal:
        return conforming(value, type(arguments[0]), place)
    if origin is list:
        _expect(isinstance(value, list), "a list", place)
        return [conforming(child, arguments[0], (*place, index)) for index, child in enumerate(value)]
    if origin is dict:
        _expect(isinstance(value, dict), "a map", place)
        return {key: conforming(child, arguments[1], (*place, key)) for key, child in value.items()}
    if typing.is_typeddict(kind):
        return _map(value, kind, place)
    return _scalar(value, kind, place)


def _map(value: Any, kind: Any, place: Place) -> dict[str, Any]:
    _expect(isinstance(value, dict), "a map", place)
    result = dict(value)
    for key, inner in _fields(kind).items():
        if key in kind.__required_keys__:
            _expect(key in value, "something", (*place, key))
        elif value.get(key) is None:
            result.pop(key, None)
            continue
        result[key] = conforming(value[key], inner, (*place, key))
    return result


@cache
def _fields(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _scalar(value: Any, kind: Any, place: Place) -> Any:
    if kind is str:
        _expect(isinstance(value, str), "a string", place)
        if place and _TIME.search(str(place[-1])):
            _expect(_is_time(value), "a time", place)
    elif kind is bool:
        _expect(isinstance(value, bool), "true or false", place)
    else:
        number = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        # A loss may be large, as one that diverges; an integer that no float can hold is none.
        _expect(
            number and (math.isfinite(value) if isinstance(value, float) else abs(value) < MAX_INTEGER),
            "a number",
            place,
        )
    return value


def _is_time(text: str) -> bool:
    try:
        seconds = parse_time(text)
        return seconds is None or bool(format_time(seconds))
    except (ValueError, OverflowError, OSError):
        return False


def _expect(right: bool, expected: str, place: Place) -> None:
    if not right:
        raise ShapeError(f"{'.'.join(map(str, place)) or 'the document'}: expected {expected}")
