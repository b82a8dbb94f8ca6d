"""Fixtures: controllers in a cluster of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from .fake import Cluster, Document
from .fake_server import Server
from .harness import Controller, job_spec, kubernetes

Install = Callable[..., tuple[Cluster, Server]]
Start = Callable[..., Controller]


@pytest.fixture
def install() -> Iterator[Install]:
    """Clusters, each with one job freshly installed; the arguments change its job.json."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(kubernetes(cast("Document", job_spec(**changes))))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts lifecycle pods, and ends those that still run at the end of the test."""
    started: list[Controller] = []

    def starter(server: Server, **options: Any) -> Controller:
        controller = Controller(server, options.pop("folder", tmp_path / "config"), **options)
        started.append(controller)
        return controller

    yield starter
    for controller in started:
        controller.client.dead = True
        controller.client.close()
        controller.ends()
