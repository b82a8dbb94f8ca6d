"""Fixtures: values written as YAML text, and what the tool finds in them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tfconfig.checking.findings import findings
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.load import load
from tfconfig.values.set_flags import SetFlags

Find = Callable[..., list[Diagnostic]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """Everything that the tool finds in a values file of this text."""

    def found(text: str, sets: SetFlags | None = None, release: str = "digits") -> list[Diagnostic]:
        file = tmp_path / "values.yaml"
        file.write_text(textwrap.dedent(text), "utf-8")
        return findings(load([str(file)], sets), release)

    return found
