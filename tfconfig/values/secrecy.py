"""What may hold a secret: values of `env`, and texts that look like one. None of it goes into a message. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tfconfig.diagnostics import lines

SECRET_NAME = re.compile(
    r"(^|[_-])(passw(or)?d|secret|token|api[_-]?key|(access|secret|private)[_-]key|credentials?)([_-]key)?$",
    re.IGNORECASE,
)
SECRET_TEXT = re.compile(
    r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|hf_\w{30,}|glpat-[\w-]{20})\b|-----BEGIN [A-Z ]*PRIVATE KEY|"
    r"[a-z]://[^/\s:@$]+:[^/\s:@$]+@"
)
_NAMED_VALUE = re.compile(r"(?<![\w-])([\w-]+)[\"']?\s*[=:]")
_ENV_KEY = re.compile(r"(?<![\w.-])[\"']?env[\"']?\s*:(?=[\s\"'{\[]|$)|^\s*\?\s+[\"']?env\b")
_ENV_ARGUMENT = re.compile(r"(?<![\w-])env(?![\w-])")
_KEY = re.compile(r"\s*(- |---|\.\.\.|[\"']?[\w./-]+[\"']?\s*:(\s|$))")
_ALIAS, _ANCHOR = re.compile(r"\*([\w-]+)"), re.compile(r"&([\w-]+)")
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'")


def is_secret(path: Sequence[str | int]) -> bool:
    """Whether the value at this path is one of somebody's environment."""
    return "env" in path


def is_secret_path(path: str) -> bool:
    """The same for a path as messages show it."""
    return bool(re.search(r"(^|\.)env([.\[]|$)", path))


def without_value(text: str) -> str:
    """A --set argument as messages show it: without what may be a secret."""
    if _ENV_ARGUMENT.search(text) or _looks_secret(text):
        return "…" if text.lstrip().startswith("{") else f"{re.split(r'[=[]', text)[0]}=…"
    return text


def a_kind(value: Any) -> str:
    """Like helm_yaml.kind, and without the value."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    return "a string"


@lru_cache(maxsize=8)  # a large file may have thousands of diagnostics
def secret_lines(source: str) -> frozenset[int]:
    """The numbers of the lines that no message quotes: those of an `env`, and others that look like a secret.

    By the text alone, since it may be no YAML at all.
    """
    numbers, column, depth = set[int](), -1, 0  # column and open brackets of the `env` that goes on
    anchors = set[str]()
    for number, line in enumerate(lines(source), 1):
        if column >= 0 and depth <= 0 and _ends(line, column):
            column = -1
        rest = line
        if column < 0 and (key := _ENV_KEY.search(line)):
            column, depth, rest = key.start(), 0, line[key.end() :]
        if column >= 0:
            bare = _QUOTED.sub("", rest)
            depth += sum(map(bare.count, "{[")) - sum(map(bare.count, "}]"))
            numbers.add(number)
            anchors.update(_ALIAS.findall(line))
        elif _looks_secret(line):
            numbers.add(number)
    if anchors:
        numbers.update(n for n, line in enumerate(lines(source), 1) if anchors.intersection(_ANCHOR.findall(line)))
    return frozenset(numbers)


def _ends(line: str, column: int) -> bool:
    """Whether a line is the first one after a map or list whose key starts at this column."""
    indent = len(line) - len(line.lstrip())
    if not line.strip() or indent > column or (indent == column and line.lstrip().startswith("- ")):
        return False
    return bool(_KEY.match(line))


def _looks_secret(text: str) -> bool:
    return bool(SECRET_TEXT.search(text)) or any(map(SECRET_NAME.search, _NAMED_VALUE.findall(text)))
