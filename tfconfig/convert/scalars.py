"""Scalars of YAML, written so that everybody reads the same: Helm, PyYAML and people."""

from __future__ import annotations

import json
import re
from typing import Any

from tfconfig.values.helm_yaml import resolve

_PLAIN = re.compile(r"(--?)?[A-Za-z0-9_./$(][-A-Za-z0-9_./$()+@%=~]*([ :][-A-Za-z0-9_./$()+@%=~]+)*")
_NUMBER_LIKE = re.compile(r"[-+.]?[0-9][-+0-9_.:,eETZ ]*")  # dates, 1:30, 1_000: numbers to some readers
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def scalar(value: Any) -> str:
    """A scalar on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return json.dumps(value)
    if (
        _PLAIN.fullmatch(value)
        and not _NUMBER_LIKE.fullmatch(value)
        and resolve(value)[0] == "str"
        and ": " not in value
    ):
        return value
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def literal(value: Any, indent: str) -> list[str] | None:
    """A text of several lines as a block, or None where that cannot say it: the header, then the lines."""
    if not isinstance(value, str) or "\n" not in value.rstrip("\n") or _UNPRINTABLE.search(value):
        return None
    body = value[:-1] if value.endswith("\n") else value
    lines = body.split("\n")
    if body.endswith("\n") or "\r" in value or lines[0][:1].isspace() or not lines[0]:
        return None
    if any(line and not line.strip() for line in lines):
        return None
    return ["|" if value.endswith("\n") else "|-", *(f"{indent}{line}" if line else "" for line in lines)]
