"""The addresses of a local job's tasks: ports of this machine."""

from __future__ import annotations

import random
import socket
from typing import TYPE_CHECKING

from tfconfig.local.errors import CannotRunError
from tfconfig.tensorflow_job.task.job_spec import ROLES, Task, name, tasks

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec

HOST = "127.0.0.1"
LOCAL_PORTS = range(10_000, 32_768)
LAST_PORT = 65_535


def addresses(job: JobSpec, first: int | None) -> dict[str, list[str]]:
    """Role -> the address of each task: consecutive ports from `first`, else free ones.

    Raises CannotRunError where a port is in use, or too few are free.
    """
    every = tasks(job)
    if first is not None and first + len(every) - 1 > LAST_PORT:
        raise CannotRunError(
            f"{len(every)} tasks need the ports {first} to {first + len(every) - 1}, but {LAST_PORT} is the last; "
            f"choose a --port of at most {LAST_PORT + 1 - len(every)}, or none for free ones"
        )
    chosen = _free_ports(len(every)) if first is None else list(range(first, first + len(every)))
    table: dict[str, list[str]] = {role: [] for role in ROLES if job["replicas"].get(role)}
    for task, port in zip(every, chosen, strict=True):
        if first is not None:
            _check_port(port, task)
        table[task.role].append(f"{HOST}:{port}")
    return table


def ports(job: JobSpec) -> set[int]:
    """The ports of a local job's tasks."""
    return {int(address.rpartition(":")[2]) for addresses in job["addresses"].values() for address in addresses}


def _free_ports(count: int) -> list[int]:
    """Free ports, below those that systems hand out by themselves (32768 on Linux, 49152 elsewhere).

    A task may take its port long after it was chosen: until then a connection of any other process may be given one of
    the system's own. Random ones, so that two runs that start together hardly meet.
    """
    free = []
    for port in random.sample(LOCAL_PORTS, len(LOCAL_PORTS)):
        with socket.socket() as listener:
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    raise CannotRunError(
        f"{count} tasks need a port each; {len(free)} of {LOCAL_PORTS.start} to {LOCAL_PORTS.stop - 1} are free"
    )


def _check_port(port: int, task: Task) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotRunError(
                f"{HOST}:{port}, for {name(task)}: {reason.lower()}; choose another --port, or none for free ones"
            ) from error
