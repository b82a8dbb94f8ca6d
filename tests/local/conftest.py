"""Each test runs in a folder of its own, and leaves no process behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Start, starting


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `tfconfig run` with values given as a dictionary or a file."""
    yield from starting(tmp_path)
