"""A job under test: a release of the chart, what became of it, and the things that tests do to it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeVar

import pytest
import yaml

from hack.cluster.proxy import ApiError, Object
from hack.cluster.target import Target

from .measure import Seconds, measure
from .namespaces import Namespace
from .programs import CHART, Values

T = TypeVar("T")
Helm = Literal["helm3", "helm4"]

ENDED = ("Succeeded", "Failed")
HOME = "/tensorflow-job-state/home"  # of a program, by its environment


def helm_program(target: Target, name: Helm) -> str:
    """The program for `helm3` or `helm4`; the test is left out where there is none."""
    program = target.helm(name)
    if program is None:
        pytest.skip(f"there is no {name}")
    return program


class Job:
    """One release. Tasks are called as in status: `worker-0`."""

    def __init__(self, target: Target, namespace: Namespace, release: str, helm: Helm) -> None:
        self.target, self.namespace, self.release = target, namespace, release
        self.name = release
        """Its full name: as a subchart not the release's."""
        self.helm: Helm = helm
        self.measured: Seconds | None = None

    # --- Helm ---

    def install(
        self, values: Values, *arguments: str, succeeds: bool = True, chart: str = str(CHART)
    ) -> subprocess.CompletedProcess[str]:
        """`helm install`, with the images of this cluster unless the values name others; the values come last."""
        return self._helm("install", self.release, chart, *arguments, "-f", "-", values=values, succeeds=succeeds)

    def upgrade(
        self, *arguments: str, values: Values | None = None, succeeds: bool = True, chart: str = str(CHART)
    ) -> subprocess.CompletedProcess[str]:
        """`helm upgrade` with these values, or without any (`--reuse-values --set suspend=true`)."""
        if values is not None:
            arguments = (*arguments, "-f", "-")
        return self._helm("upgrade", self.release, chart, *arguments, values=values, succeeds=succeeds)

    def uninstall(self) -> None:
        """`helm uninstall`."""
        self._helm("uninstall", self.release, values=None, succeeds=True)

    def template(self, values: Values, *arguments: str, chart: str = str(CHART)) -> str:
        """`helm template`."""
        words = ["template", self.release, chart, *arguments, "-f", "-"]
        return self._helm(*words, values=values, succeeds=True).stdout

    def apply(self, manifest: str, *options: str) -> str:
        """`kubectl apply` in its namespace; what it says about each object."""
        done = self.target.run("kubectl", "apply", "-n", self.namespace.name, "-f", "-", *options, text=manifest)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply_and_prune(self, manifest: str) -> str:
        """As with Argo CD that prunes: what the release has of Jobs that is not in the manifest is removed."""
        selector = f"--selector=app.kubernetes.io/instance={self.release}"
        return self.apply(manifest, "--prune", selector, "--prune-allowlist=batch/v1/Job")

    def complete(self, values: Values) -> Values:
        """The values with this cluster's images."""
        programs = values.get("program", {}).get("files", {}).values()
        small = values.get("strategy") == "Custom" and not any("import tensorflow" in text for text in programs)
        image = _image(self.target.python_image if small else self.target.tensorflow_image)
        lifecycle = {"image": _image(self.target.python_image), **values.get("lifecycle", {})}
        checkpoint = {"accessModes": [self.target.access_mode], "size": "1Gi", **values.get("checkpoint", {})}
        return {"image": image, **values, "lifecycle": lifecycle, "checkpoint": checkpoint}

    def _helm(
        self, command: str, *arguments: str, values: Values | None, succeeds: bool
    ) -> subprocess.CompletedProcess[str]:
        program = helm_program(self.target, self.helm)
        text = None if values is None else yaml.safe_dump(self.complete(values))
        done = self.target.run(program, command, *arguments, "--namespace", self.namespace.name, text=text, seconds=280)
        if (done.returncode == 0) is not succeeds:
            pytest.fail(f"{self.helm} {command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    # --- what it is like ---

    @property
    def status(self) -> Object:
        """status.json as last seen; empty while there is none."""
        document = self.namespace.configmaps.objects.get(f"{self.name}-status", {})
        return json.loads((document.get("data") or {}).get("status.json") or "{}")  # type: ignore[no-any-return]

    @property
    def phase(self) -> str:
        """The phase in the status; empty while there is none."""
        return str(self.status.get("phase", ""))

    @property
    def controller(self) -> str:
        """The name of the lifecycle Job that is in charge."""
        annotations = self.namespace.configmaps.objects[f"{self.name}-status"]["metadata"]["annotations"]
        return str(annotations["tensorflow-job/controller"])

    @property
    def kubernetes_job(self) -> Object:
        """The lifecycle Job."""
        return self.namespace.jobs.objects[self.controller]

    @property
    def pods(self) -> dict[str, Object]:
        """Training pods as last seen: `worker-0` -> pod."""
        return {
            name[len(self.name) + 1 :]: pod
            for name, pod in sorted(self.namespace.pods.objects.items())
            if self._is_ours(pod, "training")
        }

    @property
    def lifecycle_pods(self) -> list[Object]:
        """Pods of the lifecycle Job, oldest first."""
        found = [pod for pod in self.namespace.pods.objects.values() if self._is_ours(pod, "lifecycle")]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def sets(self) -> dict[str, int]:
        """The sizes that the StatefulSets are asked for: role -> replicas."""
        selector = f"tensorflow-job/job={self.name}"
        items = self.namespace.list("statefulsets", labelSelector=selector)
        return {item["metadata"]["labels"]["tensorflow-job/role"]: item["spec"]["replicas"] for item in items}

    def events(self) -> list[tuple[str, str, str]]:
        """The Events of its Job that the lifecycle created: (type, reason, message), oldest first."""
        fields = f"involvedObject.kind=Job,involvedObject.name={self.controller}"
        found = [event for event in self.namespace.list("events", fieldSelector=fields) if _is_by_lifecycle(event)]
        # Their names end in the time, in nanoseconds.
        found.sort(key=lambda event: str(event["metadata"]["name"]))
        return [(event["type"], event["reason"], event["message"]) for event in found]

    def log(self, task: str, previous: bool = False) -> str:
        """The log of a task's container that runs now, or of the one before; empty where there is none yet."""
        query = {"container": "tensorflow", **({"previous": "true"} if previous else {})}
        return self.log_of(f"{self.name}-{task}", query)

    def lifecycle_log(self) -> str:
        """The log of the newest lifecycle pod."""
        pods = self.lifecycle_pods
        return self.log_of(pods[-1]["metadata"]["name"], {}) if pods else ""

    def tail(self) -> str:
        """The last lines of the deciding task, as the lifecycle's log ends with them."""
        log = self.lifecycle_log()
        _, _, lines = log.partition("\nlast lines of ")
        assert lines, f"there are none in:\n{log}"
        return "\n".join(line[2:] for line in lines.splitlines()[1:])

    def restarts(self, task: str) -> int:
        """The highest restart count that a pod of this task ever had."""
        counts = [
            status.get("restartCount", 0)
            for seen in self.namespace.pods.history
            if seen.object["metadata"]["name"] == f"{self.name}-{task}"
            for status in seen.object["status"].get("containerStatuses", ())
        ]
        return max(counts, default=0)

    def runs(self, task: str) -> bool:
        """Whether a container of the task runs now, and its pod is not about to go."""
        pod = self.pods.get(task, {"metadata": {}, "status": {}})
        states = [one["state"] for one in pod["status"].get("containerStatuses", ()) if one["name"] == "tensorflow"]
        return "deletionTimestamp" not in pod["metadata"] and any("running" in state for state in states)

    def condition(self, kind: str) -> Object:
        """A condition of the lifecycle Job that is true: Complete or Failed; empty when it is not."""
        conditions = self.kubernetes_job["status"].get("conditions", ())
        return next((one for one in conditions if one["type"] == kind and one["status"] == "True"), {})

    # --- what tests do ---

    def exec(self, task: str, *command: str, succeeds: bool = True) -> str:
        """Run a command in a task's container."""
        words = ["kubectl", "exec", f"{self.name}-{task}", "-n", self.namespace.name, "-c", "tensorflow", "--"]
        done = self.target.run(*words, *command)
        if succeeds and done.returncode != 0:
            pytest.fail(f"{command} in {task}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def tell(self, task: str, name: str) -> None:
        """Let a shell program that waits for this (`wait_for NAME`) go on."""
        self.exec(task, "sh", "-c", f"mkdir -p {HOME}; touch {HOME}/{name}")

    def kill_program(self, task: str) -> None:
        """SIGKILL to everything in the container but its first process."""
        self.exec(task, "sh", "-c", "kill -s KILL -- -1", succeeds=False)

    def delete_pod(self, task: str) -> str:
        """Delete a task's pod and return its UID."""
        uid: str = self.pods[task]["metadata"]["uid"]
        self.namespace.api.delete("pods", self.namespace.name, f"{self.name}-{task}")
        return uid

    def delete_lifecycle_pod(self) -> str:
        """Delete the running lifecycle pod, wait until it runs no more, and return its UID."""
        pod = self.lifecycle_pods[-1]["metadata"]
        self.namespace.api.delete("pods", self.namespace.name, pod["name"])

        def ended() -> bool:
            now = self.namespace.pods.objects.get(pod["name"])
            states = [one["state"] for one in now["status"].get("containerStatuses", ())] if now else []
            return all("terminated" in state for state in states)

        self.wait_until("the controller ends", ended)
        return str(pod["uid"])

    def in_volume(self, script: str) -> str:
        """The output of a shell script in a pod that has the checkpoint claim at /checkpoints."""
        name = f"{self.name}-look"
        container = {
            "name": "look",
            "image": self.target.python_image,
            "command": ["sh", "-c", script],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "checkpoints", "mountPath": "/checkpoints"}],
        }
        claim = {"claimName": f"{self.name}-checkpoints"}
        user = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {
            "restartPolicy": "Never",
            "securityContext": user,
            "containers": [container],
            "volumes": [{"name": "checkpoints", "persistentVolumeClaim": claim}],
        }
        self.namespace.create("pods", {"metadata": {"name": name}, "spec": spec})
        pods = self.namespace.pods
        ended = ("Succeeded", "Failed")
        self.wait_until(
            f"pod {name} ends", lambda: name in pods.objects and pods.objects[name]["status"].get("phase") in ended
        )
        text = self.log_of(name, {})
        self.namespace.api.delete("pods", self.namespace.name, name, 0)
        return text

    # --- waits ---

    def wait_until(self, what: str, condition: Callable[[], T | None], seconds: float = 120) -> T:
        """The first true value of the condition; fails when it does not come."""
        return self.namespace.wait_until(f"{self.name}: {what}", condition, seconds)

    def wait_for_phase(self, phase: str, seconds: float = 180) -> Object:
        """The status in this phase; fails at once when the job ended in another one."""

        def reached() -> Object | None:
            status = self.status
            if status.get("phase") in ENDED and status["phase"] != phase:
                pytest.fail(f"{self.name}: {status['phase']}, not {phase}: {status['reason']}: {status['message']}")
            return status if status.get("phase") == phase else None

        return self.wait_until(f"phase {phase}", reached, seconds)

    def wait_running(self, seconds: float = 180) -> Object:
        """The status once all tasks run."""
        return self.wait_for_phase("Running", seconds)

    def wait_for_message(self, pattern: str, seconds: float = 180) -> str:
        """The message of the status that matches."""

        def found() -> str | None:
            message = str(self.status.get("message", ""))
            return message if re.search(pattern, message) else None

        return self.wait_until(f"a message like {pattern!r}", found, seconds)

    def wait_for_log(self, task: str, pattern: str, seconds: float = 240) -> re.Match[str]:
        """The first match in the log of a task's container that runs now."""

        what = f"{pattern!r} in the log of {task}"
        return self.wait_until(what, lambda: re.search(pattern, self.log(task), re.MULTILINE), seconds)

    def wait_for_new_pod(self, task: str, old: str, seconds: float = 120) -> None:
        """Another pod than that of this UID runs the task."""

        what = f"a new pod of {task} runs"
        self.wait_until(what, lambda: self.runs(task) and self.pods[task]["metadata"]["uid"] != old, seconds)

    def wait_for_other_controller(self, old: str) -> None:
        """Another lifecycle pod than that of this UID goes on; Kubernetes waits 10 s before it makes one."""

        def goes_on() -> bool:
            others = [pod for pod in self.lifecycle_pods if pod["metadata"]["uid"] != old]
            return bool(others) and "continuing from: run" in self.lifecycle_log()

        self.wait_until("another controller goes on", goes_on)

    def wait_ended(self, phase: str, seconds: float = 240, disturbed: bool = False, freed: float = 30) -> Object:
        """The status once the job ended in this phase, its Job too, and no training pod is left, `freed` seconds later.

        Measured as well, unless the test `disturbed` the end or let it take its time.
        """
        self.wait_for_phase(phase, seconds)
        condition = "Complete" if phase == "Succeeded" else "Failed"
        self.wait_until(f"the Job is {condition}", lambda: self.condition(condition), freed)
        self.wait_until("no training pod is left", lambda: not self.pods, freed)
        assert not self.condition("Failed" if phase == "Succeeded" else "Complete")
        assert set(self.sets().values()) == {0}
        status = self.status
        assert status["freed"] is True
        if not disturbed:
            self.measured = measure(self)
        return status

    def log_of(self, pod: str, query: dict[str, str]) -> str:
        """The log of a pod; empty where its container has not started yet."""
        path = f"/api/v1/namespaces/{self.namespace.name}/pods/{pod}/log"
        try:
            return self.namespace.api.text("GET", path, query=query)
        except ApiError as error:
            if error.status == 400:  # not started yet
                return ""
            raise

    def _is_ours(self, pod: Object, component: str) -> bool:
        labels = pod["metadata"].get("labels", {})
        return (labels.get("tensorflow-job/job"), labels.get("app.kubernetes.io/component")) == (self.name, component)


def seconds_between(first: str, second: str) -> float:
    """Seconds from one time of the API or of status.json to another."""
    start, end = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (first, second))
    return (end - start).total_seconds()


def _image(name: str) -> Values:
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}


def _is_by_lifecycle(event: Object) -> bool:
    return bool(event.get("source", {}).get("component") == "tensorflow-job")
