"""The examples as they stand, run as local processes to their end: `make test-examples`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.running import ROOT, Running, Start, starting

EXAMPLES = ROOT / "examples"
SILENT_SECONDS = 330


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of these trains for tens of seconds: a part of its own beside the everyday tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("examples")


class RunExample(Protocol):
    """Start an example's values.yaml (or another file of its folder), with other program arguments if given."""

    def __call__(
        self, name: str, args: Sequence[str] | None = None, *options: str, file: str = "values.yaml"
    ) -> Running: ...


def runner(start: Start, folder: Path) -> RunExample:
    """Run examples with the Python of the tests as `python3`; their checkpoints are in folder/checkpoints."""
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(name: str, args: Sequence[str] | None = None, *options: str, file: str = "values.yaml") -> Running:
        changes = [] if args is None else ["--set-json", f"program.args={json.dumps(list(args))}"]
        checkpoints = ("--checkpoint", str(folder / "checkpoints"))
        return start(EXAMPLES / name / file, *checkpoints, "--release", name, *changes, *options, environ=environ)

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `tfconfig run` with values given as a dictionary or a file."""
    yield from starting(tmp_path)


@pytest.fixture
def example(start: Start, tmp_path: Path) -> RunExample:
    """Run an example; its checkpoints are in tmp_path/checkpoints."""
    return runner(start, tmp_path)


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
