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
