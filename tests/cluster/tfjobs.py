"""TFJobs under Kubeflow's training operator, and releases converted from them, driven by a test in the same way."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import yaml

from tests.unit.tool.convert import cases

from .conftest import Jobs
from .gate import PROGRAM, Gate
from .jobs import ENDED
from .programs import Values

# A task exits with this status; and then it runs AGAIN, or is DONE and the job goes on, or the job ends in this phase.
Step = tuple[str, int, str]
AGAIN, DONE = "again", "done"


class Run(ABC):
    """A job of either kind, whose programs wait at a gate. Tasks are called as in the release: `chief-0`."""

    def __init__(self, jobs: Jobs, gate: Gate, manifest: Values) -> None:
        self.jobs, self.gate, self.manifest = jobs, gate, manifest
        self.name: str = manifest["metadata"]["name"]
        self.roles: dict[str, str] = {_role(name): name for name in manifest["spec"]["tfReplicaSpecs"]}
        """`chief`, and what the manifest calls it."""
        specs = manifest["spec"]["tfReplicaSpecs"].values()
        sizes = zip(self.roles, specs, strict=True)
        self.tasks = [f"{role}-{index}" for role, spec in sizes for index in range(spec["replicas"])]

    @abstractmethod
    def start(self) -> None:
        """Create it."""

    @abstractmethod
    def phase(self) -> str:
        """Succeeded or Failed, once it has."""

    @abstractmethod
    def succeeded(self, role: str) -> int:
        """How many tasks of a role it has seen succeed."""

    @abstractmethod
    def pod(self, task: str) -> str:
        """The name of a task's pod."""

    def wait_running(self) -> None:
        """Return when all tasks have run."""
        for task in self.tasks:
            self.gate.wait_for(self.pod(task))

    def configs(self) -> dict[str, Any]:
        """TF_CONFIG of each task that has run."""
        return {task: self.gate.tries(self.pod(task))[0].config for task in self.tasks}

    def addresses(self, domain: str) -> dict[str, list[str]]:
        """Role -> the addresses of its tasks, whose pods have their names in this domain."""
        found: dict[str, list[str]] = {}
        for task in self.tasks:
            pod = self.pod(task)
            found.setdefault(pod.rsplit("-", 2)[1], []).append(f"{pod}.{domain}:2222")
        return found

    def goes(self, course: list[Step]) -> None:
        """Let it go this way."""
        done: list[str] = []
        for task, code, then in course:
            count = len(self.gate.tries(self.pod(task)))
            self.gate.wait_for(self.pod(task), count).exits(code)
            if then == AGAIN:
                self.gate.wait_for(self.pod(task), count + 1)
            elif then == DONE:
                done.append(task.partition("-")[0])
                self.wait_until(f"{task} has succeeded", lambda: self.succeeded(done[-1]) == done.count(done[-1]))
            else:
                self.wait_until(then, self.phase)
            assert self.phase() == (then if then in ENDED else ""), (type(self).__name__, self.name, task, code)

    def pods(self) -> set[str]:
        """Tasks that have a pod."""
        pods = self.jobs.namespace.pods.objects
        return {task for task in self.tasks if self.pod(task) in pods}

    def running(self) -> set[str]:
        """Tasks whose program runs."""
        return {task for task in self.tasks if any(one.runs for one in self.gate.tries(self.pod(task)))}

    def keeps(self, pods: set[str], running: set[str]) -> None:
        """Return when only these tasks have pods, and only these programs run."""
        self.wait_until(f"pods {pods}, programs {running}", lambda: (self.pods(), self.running()) == (pods, running))

    def wait_until(self, what: str, condition: Callable[[], object]) -> None:
        """Return when the condition holds."""
        self.jobs.namespace.wait_until(f"{type(self).__name__} {self.name}: {what}", condition, 90)


class TFJob(Run):
    """A TFJob."""

    def start(self) -> None:
        words = ["kubectl", "create", "-n", self.jobs.namespace.name, "-f", "-"]
        done = self.jobs.target.run(*words, text=json.dumps(self.manifest))
        assert done.returncode == 0, done.stderr

    def phase(self) -> str:
        conditions = {each["type"] for each in self._status().get("conditions", ()) if each["status"] == "True"}
        return next((phase for phase in ENDED if phase in conditions), "")

    def succeeded(self, role: str) -> int:
        return int(self._status().get("replicaStatuses", {}).get(self.roles[role], {}).get("succeeded", 0))

    def pod(self, task: str) -> str:
        role, _, index = task.rpartition("-")
        return f"{self.name}-{self.roles[role].lower()}-{index}"

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.jobs.namespace.get("tfjobs", self.name).get("status") or {}
        return status


class Release(Run):
    """What `tfconfig convert` makes of the manifest."""

    def __init__(self, jobs: Jobs, gate: Gate, manifest: Values) -> None:
        super().__init__(jobs, gate, manifest)
        done = cases.call(yaml.safe_dump(manifest))
        assert done.exit_code == 0, done.stderr
        self.values: Values = yaml.safe_load(done.stdout)

    def start(self) -> None:
        self.job = self.jobs.install(self.values, self.name)

    def phase(self) -> str:
        return self.job.phase if self.job.phase in ENDED else ""

    def succeeded(self, role: str) -> int:
        return int(self.job.status["roles"][role]["succeeded"])

    def pod(self, task: str) -> str:
        return f"{self.name}-{task}"


def manifest(case: str, name: str, image: str, gate: Gate) -> Values:
    """A manifest of the corpus, whose tasks wait at a gate."""
    found: Values = yaml.safe_load(cases.read(case).manifest)
    found["metadata"]["name"] = name
    for role in found["spec"]["tfReplicaSpecs"].values():
        (container,) = role["template"]["spec"]["containers"]
        container |= {"image": image, "command": ["python3", "-c", PROGRAM]}
        container["env"] = [{"name": "GATE", "value": gate.address}]
    return found


def _role(name: str) -> str:
    """The role that a role of a TFJob becomes."""
    return "chief" if name == "Master" else name.lower()
