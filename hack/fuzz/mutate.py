"""Changes inputs: bytes as they are, or the document that they are."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

import yaml

from tfconfig.values.libyaml import loader

PIECES = (
    b"\0", b"\t", b"\n", b"\r", b"\xff", b"\x1b[31m", b"\xc2\x85", b"\x1f\x8b",
    b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"---\n", b"...",
    b"[", b"]", b"{", b"}", b": ",
    b"- ", b"*a", b"&a ", b"<<: ", b"!!binary ", b"%YAML 1.2\n", b"'", b'"', b"\\", b"#",
    b"~", b"1e999", b"-", b"0", b"9" * 5000, b"$(", b")", b"$$", b"::error::", b"##[group]", b"=", b",",
    b"[65536]", b".",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 1.5, 1e308, float("nan"), float("inf"), 1 << 70, 10**400,
    "", "x", "3", "~", "x\n", "\0", "\ud800",
    "\x1b]0;x\x07", "2026-13-41T99:99:99+25:00", "0001-01-01T00:00:00Z",
    "0-99999999999", "a-b", "9" * 5000, [], [1], [None], [[]],
    {}, {"a": 1}, {"name": None}, {"": {}}, "$(A)", "{{ .Values }}",
    "^(a+)+$", "[$]", "(", "#/definitions/x", "#",
)  # fmt: skip


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The input with one to four changes."""
    for _ in range(rng.randint(1, 4)):
        changed = _document(rng, data) if rng.random() < 0.6 else None
        data = _bytes(rng, data, others) if changed is None else changed
    return data


def _document(rng: random.Random, data: bytes) -> bytes | None:
    """The JSON or YAML document with one place changed; None where it is none."""
    if len(data) > 20_000:
        return None
    try:
        document = yaml.load(data, Loader=loader())
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError):
        return None
    if not isinstance(document, (dict, list)):
        return None
    document = copy.deepcopy(document)
    inner = _containers(document)
    if not inner:
        return None
    _change(rng, rng.choice(inner), inner)
    try:
        return json.dumps(document, default=str).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, TypeError):
        return None


def _change(rng: random.Random, here: Any, others: list[Any]) -> None:
    new = rng.choice(ODD) if rng.random() < 0.8 else copy.deepcopy(rng.choice(others))
    if isinstance(here, list):
        place = rng.randint(0, len(here))
        here[place : place + rng.randint(0, 1)] = [new] * rng.choice((1, 1, 1, 50))
    elif not here or rng.random() < 0.2:
        here[rng.choice(("x", "name", "a b", "", "metadata", "$ref", "env", "null"))] = new
    elif rng.random() < 0.2:
        del here[rng.choice(list(here))]
    else:
        here[rng.choice(list(here))] = new


def _containers(value: Any, depth: int = 0) -> list[Any]:
    """Every map and list in a document."""
    if not isinstance(value, (dict, list)) or depth > 50:
        return []
    children = value.values() if isinstance(value, dict) else value
    return [value, *(container for child in children for container in _containers(child, depth + 1))]


def _bytes(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start = rng.randint(0, len(data))
    end = min(len(data), start + rng.choice((0, 1, 4, 40, 400)))
    kind = rng.randrange(5)
    if kind == 0:
        return data[:start] + data[end:]
    if kind == 1:
        return data[:start] + rng.choice(PIECES) + data[end:]
    if kind == 2:
        return data[:end] + data[start:end] * rng.choice((1, 2, 30)) + data[end:]
    if kind == 3:
        other = rng.choice(others)
        cut = rng.randint(0, len(other))
        return data[:start] + other[cut : cut + 200] + data[start:]
    return data[:start] + rng.randbytes(rng.randint(1, 8)) + data[end:]
