"""Helm itself, as far as the tool must agree with it: its reading of YAML, of --set arguments, and its merging.

What these tests know about helm-python-sdk, beyond tests/chart/helm.py, is in this module.
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import helm_python
from helm_python import _native

Values = dict[str, Any]


class RefusedError(Exception):
    """Helm does not take this input, and why, in its words."""


def read_yaml(text: str) -> Values:
    """The values in a file of this text."""
    try:
        return helm_python.values_from_yaml(text)
    except helm_python.HelmError as error:
        raise RefusedError(str(error)) from error


_PARSERS = {
    "typed": "helm_strvals_parse",
    "string": "helm_strvals_parse_string",
    "json": "helm_strvals_parse_json",
    "literal": "helm_strvals_parse_literal",
}


def read_set(mode: str, argument: str) -> Values:
    """The values of one --set (typed), --set-string, --set-json or --set-literal argument."""
    try:
        values: Values = json.loads(_native.call_string(_PARSERS[mode], argument))
    except helm_python.HelmError as error:
        raise RefusedError(str(error)) from error
    return values


def over_defaults(user: Values, defaults: Values) -> Values:
    """User values over those of a chart, as templates see them."""
    return _chart(json.dumps(defaults)).merge_values(user)


@functools.lru_cache(maxsize=1)
def _chart(defaults: str) -> helm_python.Chart:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Chart.yaml").write_text("apiVersion: v2\nname: any\nversion: 0.1.0\n", "utf-8")
        Path(folder, "values.yaml").write_text(defaults, "utf-8")
        return helm_python.Chart.load(folder)
