"""Fixtures: a job on a fake Kubernetes, and the tool as a program before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.tool.cluster.kube import Kube, Program, kube_behind_kubectl


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kube]:
    """A cluster in which the job `digits` was just installed, behind the `kubectl` on PATH."""
    with kube_behind_kubectl(tmp_path, monkeypatch) as cluster:
        yield cluster


@pytest.fixture
def start(kube: Kube) -> Iterator[Callable[..., Program]]:  # noqa: ARG001
    """Starts `tfconfig WORDS`; no process outlives the test."""
    started: list[Program] = []

    def starter(*words: str) -> Program:
        started.append(Program(*words))
        return started[-1]

    yield starter
    for program in started:
        program.close()
