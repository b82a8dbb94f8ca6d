"""Whether a task was ever connected to another one, by the kernel's tables."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tfconfig.tensorflow_job.task.connections import ENOUGH_LOOKS, TABLES, Connections

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
MINE, OTHER = "0500F40A", "0600F40A"


def row(local: str, remote: str, state: str = "01") -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 20 4 30 10 -1\n"


@pytest.mark.parametrize(
    ("rows", "connected"),
    [
        ("", False),
        (row(f"{MINE}:9C40", f"{OTHER}:08AE"), True),
        (row(f"{MINE}:08AE", f"{OTHER}:9C40"), True),
        (row(f"{MINE}:08AF", f"{OTHER}:9C40"), False),
        (row(f"{MINE}:9C40", f"{OTHER}:08AE", "06"), False),
        (row("00000000:08AE", "00000000:0000", "0A"), False),
        (row(f"{MINE}:9C40", f"{MINE}:08AE"), False),
    ],
    ids=["nothing", "to a server", "to its own", "progress", "over", "listens", "with itself"],
)
def test_only_a_connection_that_lasts_and_is_with_another_task_counts(
    tmp_path: Path, rows: str, connected: bool
) -> None:
    table = tmp_path / "tcp"
    table.write_text(HEAD + rows)
    connections = Connections(2222, [str(table)])
    for _ in range(ENOUGH_LOOKS):
        connections.look()
    assert connections.none_seen is not connected


def test_it_is_enough_that_one_was_seen_once(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    table.write_text(HEAD + row(f"{MINE}:9C40", f"{OTHER}:08AE"))
    connections = Connections(2222, [str(table)])
    connections.look()
    table.write_text(HEAD)
    for _ in range(2 * ENOUGH_LOOKS):
        connections.look()
    assert not connections.none_seen


@pytest.mark.parametrize("looks", [0, ENOUGH_LOOKS - 1])
def test_few_looks_mean_nothing(tmp_path: Path, looks: int) -> None:
    table = tmp_path / "tcp"
    table.write_text(HEAD)
    connections = Connections(2222, [str(table)])
    for _ in range(looks):
        connections.look()
    assert not connections.none_seen


def test_without_the_tables_nothing_is_known(tmp_path: Path) -> None:
    connections = Connections(2222, [str(tmp_path / "none")])
    for _ in range(2 * ENOUGH_LOOKS):
        connections.look()
    assert not connections.none_seen


def test_the_tables_of_this_kernel_are_understood() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server, socket.create_connection(server.getsockname()):
        connections = Connections(server.getsockname()[1], TABLES)
        for _ in range(ENOUGH_LOOKS):
            connections.look()
        assert not connections.none_seen
