"""Fixtures: the diagnostics of values that are written as YAML text."""

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
    """All diagnostics of a values file with this text."""

    def check(text: str, sets: SetFlags | None = None, release: str = "digits") -> list[Diagnostic]:
        file = tmp_path / "values.yaml"
        file.write_text(textwrap.dedent(text), "utf-8")
        return findings(load([str(file)], sets), release)

    return check
