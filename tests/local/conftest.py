"""Each test runs in a folder of its own, and leaves no process behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Running, Start, starting

SILENT_SECONDS = 330


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `tfconfig run` with values given as a dictionary or a file."""
    yield from starting(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def silence(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running | None]:
    """A job that is silent for minutes while the tests go on; their last one waits for it (mark `last`)."""
    if not any(item.get_closest_marker("last") for item in request.session.items):
        yield None
        return
    program = {"command": [sys.executable, str(Path(__file__).with_name("silent.py")), str(SILENT_SECONDS)]}
    values = {
        "strategy": "ParameterServer",
        "program": program,
        "worker": {"replicas": 2},
        "ps": {"replicas": 1},
        "checkpoint": {"enabled": False},
        "restart": {"policy": "Never"},
        "env": {"http_proxy": "http://127.0.0.1:9"},
    }
    starts = starting(tmp_path_factory.mktemp("silence"))
    yield next(starts)(values, "--python", sys.executable)
    next(starts, None)
