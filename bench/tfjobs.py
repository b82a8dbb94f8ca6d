"""The same jobs as TFJobs, on the same fake nodes; and ten of each kind with real containers on the real node."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from types import TracebackType
from typing import Any

from hack.cluster.proxy import Object
from hack.cluster.settings import HOST_ADDRESS

from . import jobs, requests, usage
from .lab import Lab, in_parallel, say, settle, wait
from .measure import Results, Row
from .releases import NAME, control_plane_cpu, limit
from .requests import Requests
from .watch import Watch

REAL_ROLES = {"chief": 1, "worker": 2, "ps": 1}
APART_SECONDS = 3.0


def tfjob(lab: Lab, results: Results, operator: int, tasks: int) -> None:
    """One TFJob of this size from `kubectl create` until its pods are gone."""
    say(f"a TFJob of {tasks}")
    body = jobs.fake_tfjob(lab, NAME, tasks)
    before = usage.read(operator)
    with (
        lab.namespace(f"tfjob-{tasks}") as namespace,
        Watch(lab.api, namespace, tfjobs=True) as seen,
        Requests(namespace) as asked,
    ):
        with control_plane_cpu() as cpu:
            began = time.time()
            jobs.apply(lab, namespace, [body])
            wait("all pods run", lambda: seen.count("running") == tasks, 2 * limit(tasks))
            wait("all pods have a name", lambda: _services(lab, namespace) == tasks, 2 * limit(tasks))
            named = time.time() - began
            wait("the job is reported running", lambda: seen.phase(NAME, "Running"), limit(tasks))
        figures: Row = {
            "created": seen.last("created") - began,
            "running": seen.last("running") - began,
            "named": named,
            "reported": seen.phase(NAME, "Running") - began,
            "writes": requests.writes(asked.counts()),
            "operator_cpu": usage.read(operator).cpu - before.cpu,
            "control_plane_cpu": sum(cpu.values()),
            "tf_config": _tf_config_bytes(lab, namespace),
        }
        settle()
        lab.end_program(namespace, f"{NAME}-chief-0", 0)
        wait("the outcome is recorded", lambda: seen.phase(NAME, "Succeeded"), limit(tasks))
        wait("all pods are over", lambda: seen.count("over") == tasks, 2 * limit(tasks))
        end = seen.ended(f"{NAME}-chief-0").ended
        figures |= {
            "recorded": seen.phase(NAME, "Succeeded") - end,
            "gone": seen.last("over") - end,
            "operator_resident": usage.read(operator).resident,
            "operator_peak": usage.read(operator).peak,
            "requests": requests.of("training-operator", asked.counts()),
        }
    results.add("tfjob", tasks=tasks, **figures)


def many(lab: Lab, results: Results, operator: int, count: int, tasks: int) -> None:
    """Many small TFJobs at once: one operator for all."""
    say(f"{count} TFJobs of {tasks} tasks at once")
    names = [f"{NAME}{number}" for number in range(count)]
    before = usage.read(operator)
    with (
        lab.namespace(f"tfjobs-{count}") as namespace,
        Watch(lab.api, namespace, tfjobs=True) as seen,
        Requests(namespace) as asked,
    ):
        began = time.time()
        jobs.apply(lab, namespace, [jobs.fake_tfjob(lab, name, tasks) for name in names])
        wait("all pods run", lambda: seen.count("running") == count * tasks, 2 * limit(count * tasks))
        wait("all pods have a name", lambda: _services(lab, namespace) == count * tasks, 2 * limit(count * tasks))
        named = time.time() - began
        wait("all are reported running", lambda: all(seen.phase(name, "Running") for name in names), 120)
        figures: Row = {
            "created": seen.last("created") - began,
            "running": seen.last("running") - began,
            "named": named,
            "reported": max(seen.phase(name, "Running") for name in names) - began,
            "writes": requests.writes(asked.counts()),
        }
        in_parallel(lambda name: lab.end_program(namespace, f"{name}-chief-0", 0), names)
        wait("all are over", lambda: seen.count("over") == count * tasks, 2 * limit(count * tasks))
        ends = {name: seen.ended(f"{name}-chief-0").ended for name in names}
        figures |= {
            "recorded": max(seen.phase(name, "Succeeded") - ends[name] for name in names),
            "gone": seen.last("over") - max(ends.values()),
            "operator_cpu": usage.read(operator).cpu - before.cpu,
            "operator_peak": usage.read(operator).peak,
            "requests": requests.of("training-operator", asked.counts()),
        }
    results.add("many tfjobs", jobs=count, tasks=tasks, **figures)


def real(lab: Lab, results: Results, kind: str, count: int) -> None:
    """Ten jobs of a chief, two workers and a parameter server in real containers; `kind` is `release` or `tfjob`.

    The chiefs end one after the other, so that the machine is about as busy at each end.
    """
    say(f"{count} jobs in real containers, each a {kind}")
    names = [f"{NAME}{number}" for number in range(count)]
    tasks = sum(REAL_ROLES.values())
    with (
        lab.namespace(f"real-{kind}") as namespace,
        Watch(lab.api, namespace, tfjobs=kind == "tfjob") as seen,
        _Gate() as gate,
    ):
        objects = [item for name in names for item in _real_job(lab, kind, name, namespace, gate)]
        began = time.time()
        jobs.apply(lab, namespace, objects)
        wait("all pods run", lambda: seen.count("running") == count * tasks, 300)
        wait("all chiefs run", lambda: gate.waiting() == set(names), 60)
        wait("all are reported running", lambda: all(seen.phase(name, "Running") for name in names), 120)
        running = seen.last("running") - began
        for name in names:
            gate.open(name)
            time.sleep(APART_SECONDS)
        wait("all pods are over", lambda: seen.count("over") == count * tasks, 180)
    ends = {name: float(seen.ended(f"{name}-chief-0").message) for name in names}
    results.add(
        f"real {kind}",
        jobs=count,
        running=running,
        recorded=_spread(seen.phase(name, "Succeeded") - ends[name] for name in names),
        ps=_spread(seen.over(f"{name}-ps-") - ends[name] for name in names),
        over=_spread(seen.over(f"{name}-") - ends[name] for name in names),
    )


class _Gate:
    """Where the chiefs wait for their end: each connects, sends its job's name, and goes on when it gets an answer."""

    def __init__(self) -> None:
        self._server = socket.create_server((HOST_ADDRESS, 0))
        self.port: int = self._server.getsockname()[1]
        self._waiting: dict[str, socket.socket] = {}
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> _Gate:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        for connection in self._waiting.values():
            connection.close()

    def waiting(self) -> set[str]:
        """The jobs whose chiefs wait."""
        return set(self._waiting)

    def open(self, job: str) -> None:
        """Let the chief of this job go on."""
        self._waiting[job].sendall(b".")

    def _work(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._waiting[connection.recv(64).decode()] = connection


def _real_job(lab: Lab, kind: str, name: str, namespace: str, gate: _Gate) -> list[Object]:
    environ = {"JOB": name, "GATE_HOST": HOST_ADDRESS, "GATE_PORT": str(gate.port)}
    command = ["python3", "-c", jobs.PROGRAM]
    if kind == "tfjob":
        env = [{"name": key, "value": value} for key, value in environ.items()]
        container = {"image": lab.target.python_image, "command": command, "env": env}
        return [jobs.tfjob(name, REAL_ROLES, container, {})]
    roles: dict[str, Any] = {role: {"replicas": count} for role, count in REAL_ROLES.items()}
    values = jobs.fake_values(lab, 4, strategy="Custom", program={"command": command}, env=environ, **roles)
    return jobs.render(lab, name, namespace, {**values, "nodeSelector": {}, "tolerations": []})


def _spread(seconds: Any) -> list[float]:
    """Median, least and most."""
    values = sorted(seconds)
    return [round(value, 2) for value in (statistics.median(values), values[0], values[-1])]


def _services(lab: Lab, namespace: str) -> int:
    listing = lab.api.get("services", namespace, limit="1")
    return len(listing["items"]) + int(listing["metadata"].get("remainingItemCount", 0))


def _tf_config_bytes(lab: Lab, namespace: str) -> int:
    """The length of TF_CONFIG in the chief's pod; each pod has a copy."""
    pod = lab.api.get("pods", namespace, f"{NAME}-chief-0")
    return len(
        next(variable["value"] for variable in pod["spec"]["containers"][0]["env"] if variable["name"] == "TF_CONFIG")
    )
