"""Neighbours of a local run: its servers are out of their reach with --isolate, and without it a warning says so."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Start, shell, starting
from tfconfig.local.isolation import exposed

# A server as TensorFlow's are: on every interface, at the port that TF_CONFIG names.
SERVER = """exec python3 -c '
import json, os, socket, time
c = json.loads(os.environ["TF_CONFIG"])
server = socket.create_server(("%s", int(c["cluster"]["worker"][0].rpartition(":")[2])))
print("listens", open("/proc/net/dev").read().count(":"), "interfaces", flush=True)
while not os.path.exists("%s"): time.sleep(0.05)
'"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    yield from starting(tmp_path)


def namespaces() -> bool:
    try:
        return subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.skipif(not namespaces(), reason="this kernel allows no user namespaces")
def test_nobody_else_reaches_the_servers_of_an_isolated_run(start: Start, tmp_path: Path) -> None:
    port, end = free_port(), tmp_path / "end"
    run = start(shell(SERVER % ("", end)), "--isolate", f"--port={port}")
    run.wait_for("listens 1 interfaces")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    end.touch()
    assert run.end() == 0
    assert "WARNING" not in run.output


def test_a_server_that_others_can_reach_is_warned_of(start: Start, tmp_path: Path) -> None:
    end = tmp_path / "end"
    run = start(shell(SERVER % ("", end)))
    run.wait_for("WARNING: TensorFlow's servers listen on every network interface of this machine")
    end.touch()
    assert run.end() == 0
    assert run.output.count("WARNING") == 1


def test_what_listens_on_loopback_is_not_warned_of(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    rows = [
        "  sl  local_address rem_address   st",
        "   0: 0100007F:08AE 00000000:0000 0A",
        "   1: 00000000:08AF 0:0 01",
    ]
    table.write_text("\n".join(rows))
    assert exposed({2222, 2223}, (table,)) is False
    table.write_text("\n".join([*rows, "   2: 00000000000000000000000000000000:08AF 0:0 0A"]))
    assert exposed({2222, 2223}, (table,)) is True
    assert exposed({2222}, (tmp_path / "none",)) is None
