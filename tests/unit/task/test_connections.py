"""Whether a task was ever connected to another one, by the kernel's tables."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.task import connections as module
from tfconfig.tensorflow_job.task.connections import ENOUGH_LOOKS, TABLES, Connections
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import Task

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
MINE, OTHER = "0500F40A", "0600F40A"


def row(local: str, remote: str, state: str = "01") -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 20 4 30 10 -1\n"


CHIEF = Task("chief", 0)
JOB = a_job(chief=1, worker=2, ps=1)
ALONE = {"unconnected": True}


def host(task: Task) -> str:
    return f"10.244.{['chief', 'worker', 'ps', 'evaluator'].index(task.role)}.{task.index + 1}"


def hexadecimal(address: str) -> str:
    return f"{struct.unpack('=I', socket.inet_aton(address))[0]:08X}"


def out_to(*names: str) -> str:
    """Connections of this task to the servers of others."""
    return "".join(row(f"{MINE}:9C40", f"{hexadecimal(host_of(peer))}:08AE") for peer in names)


def in_from(*names: str) -> str:
    return "".join(row(f"{MINE}:08AE", f"{hexadecimal(host_of(peer))}:9C40") for peer in names)


def host_of(name: str) -> str:
    role, _, index = name.rpartition("-")
    return host(Task(role, int(index)))


class Pod:
    """A task's own view of the network."""

    def __init__(self, folder: Path) -> None:
        self._table = folder / "tcp"
        self._connections = Connections(2222, [str(self._table)])

    def look(self, rows: str, times: int = ENOUGH_LOOKS + 1) -> None:
        self._table.write_text(HEAD + rows)
        for _ in range(times):
            self._connections.look()

    def report(self, job: JobSpec = JOB, task: Task = CHIEF) -> Mapping[str, Any]:
        return self._connections.report(job, task)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The cluster's names: each task's host; those of this map are others."""
    changes: dict[str, set[str]] = {}

    def lookup(where: str) -> set[str]:
        name = where.partition(".")[0].partition("-")[2]
        return changes.get(name, {host_of(name)})

    monkeypatch.setattr(module, "_lookup", lookup)
    return changes


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
def test_only_a_connection_that_lasts_and_is_with_another_task_counts(pod: Pod, rows: str, connected: bool) -> None:
    pod.look(rows)
    assert pod.report() == ({} if connected else ALONE)


def test_it_is_enough_that_one_was_seen_once(pod: Pod) -> None:
    pod.look(out_to("worker-0", "worker-1", "ps-0"), times=1)
    pod.look("")
    assert pod.report() == {}


@pytest.mark.parametrize("looks", [0, ENOUGH_LOOKS - 1])
def test_few_looks_mean_nothing(pod: Pod, looks: int) -> None:
    pod.look("", looks)
    assert pod.report() == {}


def test_without_the_tables_nothing_is_known(tmp_path: Path) -> None:
    connections = Connections(2222, [str(tmp_path / "none")])
    for _ in range(2 * ENOUGH_LOOKS):
        connections.look()
    assert connections.report(JOB, CHIEF) == {}


@pytest.mark.parametrize(
    ("rows", "unreached"),
    [
        (out_to("worker-0", "worker-1", "ps-0"), []),
        (out_to("worker-0", "ps-0"), ["worker-1"]),
        (out_to("worker-1"), ["worker-0", "ps-0"]),
        (out_to("worker-0", "worker-0", "ps-0"), ["worker-1"]),
    ],
)
def test_servers_that_were_never_reached_are_named(pod: Pod, rows: str, unreached: list[str]) -> None:
    pod.look(rows)
    expected = {"unreached": unreached, "unreachedCount": len(unreached)} if unreached else {}
    assert pod.report() == expected


def test_of_many_a_few_are_named(pod: Pod) -> None:
    pod.look(out_to("ps-0"))
    report = pod.report(a_job(chief=1, worker=9, ps=1))
    assert report == {"unreached": ["worker-0", "worker-1", "worker-2"], "unreachedCount": 9}


def test_a_minute_passes_from_the_first_connection_to_what_is_known_of_the_others(pod: Pod) -> None:
    """The program may have prepared its data until then."""
    pod.look("")
    pod.look(out_to("ps-0"), times=ENOUGH_LOOKS)
    assert pod.report() == {}
    pod.look(out_to("ps-0"), times=1)
    assert pod.report()["unreachedCount"] == 2


@pytest.mark.parametrize(
    ("job", "task", "rows", "report"),
    [
        (a_job("BetweenGraph", worker=2, ps=2), "worker-0", out_to("worker-1", "ps-1"), ["ps-0"]),
        (a_job("BetweenGraph", worker=3, ps=1), "worker-0", out_to("ps-0"), []),  # device filters
        (a_job("InGraph", chief=1, worker=2, ps=1), "chief-0", out_to("worker-0", "ps-0"), ["worker-1"]),
        (a_job("MultiWorkerMirrored", worker=3), "worker-0", in_from("worker-2"), ["worker-1"]),
        (a_job("MultiWorkerMirrored", chief=1, worker=2), "chief-0", in_from("worker-1"), ["worker-0"]),
        (a_job("MultiWorkerMirrored", worker=3), "worker-1", out_to("worker-0"), []),  # a ring, or the leader alone
        (a_job("MultiWorkerMirrored", worker=2), "worker-1", "", []),  # after worker-0 was done
        (a_job("MultiWorkerMirrored", worker=1, evaluator=1), "worker-0", "", []),
        (a_job("Custom", chief=1, worker=3, ps=2), "chief-0", "", []),
        (a_job("Custom", chief=1, worker=3, ps=2), "chief-0", out_to("ps-0"), []),
        (a_job(chief=1, worker=1, ps=1, evaluator=1), "chief-0", out_to("ps-0", "worker-0"), []),
    ],
)
def test_each_strategy_needs_its_own_peers(pod: Pod, job: JobSpec, task: str, rows: str, report: list[str]) -> None:
    role, _, index = task.rpartition("-")
    pod.look(rows)
    assert pod.report(job, Task(role, int(index))).get("unreached", []) == report


@pytest.mark.parametrize(
    ("job", "task", "alone"),
    [
        (a_job("MultiWorkerMirrored", worker=1), "worker-0", False),
        (a_job("MultiWorkerMirrored", worker=1, evaluator=1), "worker-0", False),
        (a_job("MultiWorkerMirrored", chief=1, worker=0), "chief-0", False),
        (a_job("Custom", chief=1, worker=3), "chief-0", False),  # a sweep; or ports of its own
        (a_job("MultiWorkerMirrored", worker=2), "worker-0", True),
        (a_job("BetweenGraph", worker=1, ps=1), "worker-0", True),
    ],
)
def test_a_program_that_needs_nobody_may_be_alone(pod: Pod, job: JobSpec, task: str, alone: bool) -> None:
    role, _, index = task.rpartition("-")
    pod.look("")
    assert pod.report(job, Task(role, int(index))) == (ALONE if alone else {})


@pytest.mark.parametrize(
    ("rows", "changes"),
    [
        # ps-0 was reached, and has another address since it was replaced.
        (out_to("worker-0", "ps-0"), {"ps-0": {"10.244.2.77"}}),
        # A mesh, or addresses translated on the way: nobody knows who it was.
        (row(f"{MINE}:9C40", f"{hexadecimal('127.0.0.6')}:08AE"), {}),
        # worker-1 has no name any more.
        (out_to("worker-0", "ps-0"), {"worker-1": set()}),
    ],
    ids=["replaced", "translated", "gone"],
)
def test_what_is_not_sure_is_not_reported(
    pod: Pod, names: dict[str, set[str]], rows: str, changes: dict[str, set[str]]
) -> None:
    names.update(changes)
    pod.look(rows)
    assert pod.report() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows its tables")
@pytest.mark.parametrize(("family", "prefix"), [(socket.AF_INET, ""), (socket.AF_INET6, "::ffff:")])
def test_the_tables_and_names_of_this_machine_are_understood(
    family: socket.AddressFamily, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.create_server(("127.0.0.2", 0)) as server, socket.socket(family) as client:
        client.connect((prefix + "127.0.0.2", server.getsockname()[1]))
        connections = Connections(server.getsockname()[1], TABLES)
        for _ in range(ENOUGH_LOOKS + 1):
            connections.look()
        hosts = {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"], "ps": []}
        report = connections.report(changed(a_job(chief=1, worker=3), addresses=hosts), CHIEF)
        assert report == {"unreached": ["worker-1", "worker-2"], "unreachedCount": 2}
