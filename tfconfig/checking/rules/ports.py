"""Rules about the ports of containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tfconfig.checking.rules.registry import JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.tensorflow_job.task.names import PORT, PROGRESS_PORT

_OWN = {PORT: "TensorFlow", PROGRESS_PORT: "the program's progress"}
_OWN_NAMES = ("tensorflow", "progress")


@rule("TFC176")
def _own_ports(job: JobValues) -> Iterator[Diagnostic]:
    """The containers of a pod share its ports, and the chart's own are in the training container's list already."""
    fix = "use another port for this container"
    for place, container in job.containers().items():
        if "extraContainers" in place or container.get("restartPolicy") == "Always":  # others have ended before
            for j, port in enumerate(container.get("ports") or []):
                number = port.get("containerPort")
                if number in _OWN and port.get("protocol") in (None, "TCP"):
                    message = f"{number} is the port of {_OWN[number]} in the pod"
                    yield job.diagnostic("TFC176", (*place, "ports", j, "containerPort"), message, fix)
    for path, port in _added(job):
        number = port.get("containerPort")
        if number in _OWN and port.get("protocol") in (None, "TCP"):
            message = f"{number} is the port of {_OWN[number]}, which the chart lists"
            yield job.diagnostic("TFC176", (*path, "containerPort"), message, "remove it")
        elif port.get("name") in _OWN_NAMES:
            message = f'"{port["name"]}" is the name of a port of the chart'
            yield job.diagnostic("TFC176", (*path, "name"), message, "rename yours")


def twice(job: JobValues) -> Iterator[Diagnostic]:
    """Ports of a container with one name, or with one number, which server-side apply (Helm 4) refuses."""
    lists = [
        [((*place, "ports", j), port) for j, port in enumerate(container.get("ports") or [])]
        for place, container in job.containers().items()
    ]
    lists += [list(_added(job, role)) for role in job.roles]
    reported: set[Path] = set()
    for ports in lists:
        names: set[str] = set()
        numbers: set[tuple[int, str]] = set()
        for path, port in ports:
            name, number = port.get("name"), (port.get("containerPort"), port.get("protocol") or "TCP")
            key = "containerPort" if number in numbers else "name"
            if (number in numbers or name in names) and path not in reported:
                reported.add(path)
                yield job.diagnostic("TFC211", (*path, key), f"{port[key]} is used twice", "change one of them")
            numbers.add(number)
            names |= {name} - {None}


def _added(job: JobValues, *roles: str) -> Iterator[tuple[Path, Any]]:
    """The ports that `container` adds to the training container of these roles, or of any, each once."""
    seen: set[Path] = set()
    for role in roles or job.roles:
        for place, ports in job.layers(role, "container", "ports"):
            if place not in seen:
                seen.add(place)
                yield from (((*place, j), port) for j, port in enumerate(ports))
