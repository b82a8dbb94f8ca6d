"""When things happened, as watches of the API report it. Only times are kept, so that 5,000 pods cost little."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from hack.cluster.proxy import Api, Object


@dataclass
class PodTimes:
    """What was seen of one pod, in seconds since the epoch; 0: not yet."""

    name: str
    role: str
    created: float = field(default_factory=time.time)
    running: float = 0.0
    ended: float = 0.0
    """A container of it ended for the first time."""
    message: str = ""
    """The termination message of that container."""
    over: float = 0.0
    """It holds nothing of its node any more: it has Succeeded or Failed, or is gone."""
    gone: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether the pod exists."""
        return not self.gone


class Watch:
    """The pods, StatefulSets, status ConfigMaps, Jobs and, where there are some, TFJobs of a namespace."""

    def __init__(self, api: Api, namespace: str, tfjobs: bool = False) -> None:
        self._api, self._namespace = api, namespace
        self.pods: dict[str, PodTimes] = {}
        """Training pods by UID, in the order in which they were made."""
        self.lifecycle_pods: dict[str, str] = {}
        """UID -> node of pods of the lifecycle."""
        self.scaled: dict[tuple[str, int], float] = {}
        """(StatefulSet, its size): when it was first asked for."""
        self.phases: dict[tuple[str, str], float] = {}
        """(job, phase in its status): when it was first reported; also Freed, and of Jobs and TFJobs the conditions."""
        self.status: dict[str, Object] = {}
        """status.json of each job as last seen."""
        self.status_bytes = 0
        self.status_writes = 0
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._closed = threading.Event()
        kinds = ["pods", "statefulsets", "configmaps", "jobs", *(["tfjobs"] if tfjobs else [])]
        versions = {kind: api.get(kind, namespace)["metadata"]["resourceVersion"] for kind in kinds}
        self._threads = [
            threading.Thread(target=self._follow, args=(kind, version), daemon=True)
            for kind, version in versions.items()
        ]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for connection in self._connections.values():
            if connection.sock:
                connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def count(self, what: str) -> int:
        """How many pods have this time: `created`, `running`, `gone`, …"""
        return sum(1 for pod in list(self.pods.values()) if getattr(pod, what))

    def last(self, what: str) -> float:
        """The latest of these times."""
        return max((getattr(pod, what) for pod in list(self.pods.values())), default=0.0)

    def rate(self, burst: int) -> float:
        """Pods created a second after the first `burst`, if there are more."""
        times = sorted(pod.created for pod in list(self.pods.values()))
        return (len(times) - burst) / (times[-1] - times[burst - 1]) if len(times) > burst else 0.0

    def ended(self, name: str) -> PodTimes:
        """The pod of this name whose program ended; a set may have made another one since."""
        return next(pod for pod in list(self.pods.values()) if pod.name == name and pod.ended)

    def over(self, prefix: str) -> float:
        """When the last pod whose name starts like this held nothing any more."""
        return max(pod.over for pod in list(self.pods.values()) if pod.name.startswith(prefix))

    def phase(self, job: str, phase: str) -> float:
        """When a job was first reported in this phase; 0: not yet."""
        return self.phases.get((job, phase), 0.0)

    def _follow(self, kind: str, version: str) -> None:
        note = getattr(self, f"_note_{kind}")

        def opened(connection: http.client.HTTPConnection) -> None:
            self._connections[kind] = connection

        while not self._closed.is_set():
            for change, item in self._api.watch(kind, self._namespace, version, opened):
                if change == "ERROR":
                    raise RuntimeError(f"the watch of {kind} broke: {item}")
                version = item["metadata"]["resourceVersion"]
                note(change, item, time.time())

    def _note_pods(self, change: str, item: Object, now: float) -> None:
        metadata, status = item["metadata"], item["status"]
        labels = metadata.get("labels", {})
        if labels.get("app.kubernetes.io/component") == "lifecycle":
            self.lifecycle_pods[metadata["uid"]] = item["spec"].get("nodeName", "")
            return
        pod = self.pods.get(metadata["uid"])
        if pod is None:
            role = labels.get("tensorflow-job/role") or labels.get("training.kubeflow.org/replica-type", "")
            pod = self.pods[metadata["uid"]] = PodTimes(metadata["name"], role, now)
        for container in status.get("containerStatuses", ()):
            if "running" in container["state"]:
                pod.running = pod.running or now
            ended = container["state"].get("terminated") or container.get("lastState", {}).get("terminated")
            if ended and not pod.ended:
                pod.ended, pod.message = now, ended.get("message", "")
        if change == "DELETED" or status.get("phase") in ("Succeeded", "Failed"):
            pod.over = pod.over or now
        if change == "DELETED":
            pod.gone = now

    def _note_statefulsets(self, change: str, item: Object, now: float) -> None:  # noqa: ARG002
        self.scaled.setdefault((item["metadata"]["name"], item["spec"]["replicas"]), now)

    def _note_configmaps(self, change: str, item: Object, now: float) -> None:  # noqa: ARG002
        name, text = item["metadata"]["name"], (item.get("data") or {}).get("status.json")
        if text:
            job, status = name.removesuffix("-status"), json.loads(text)
            self.status_bytes, self.status_writes = max(self.status_bytes, len(text)), self.status_writes + 1
            self.status[job] = status
            self.phases.setdefault((job, status["phase"]), now)
            if status["freed"]:
                self.phases.setdefault((job, "Freed"), now)

    def _note_jobs(self, change: str, item: Object, now: float) -> None:  # noqa: ARG002
        name = item["metadata"].get("labels", {}).get("tensorflow-job/job", "")
        self._note_conditions(name, item, now)

    def _note_tfjobs(self, change: str, item: Object, now: float) -> None:  # noqa: ARG002
        self._note_conditions(item["metadata"]["name"], item, now)

    def _note_conditions(self, job: str, item: Object, now: float) -> None:
        for condition in item.get("status", {}).get("conditions") or ():
            if condition["status"] == "True":
                self.phases.setdefault((job, condition["type"]), now)
