"""The place where jobs are measured: the kit's cluster and its real node, and beside it fake nodes that KWOK plays."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hack.cluster import processes, target
from hack.cluster.build import Module, build, lock
from hack.cluster.proxy import Api, ApiError, Object

from . import usage

HERE = Path(__file__).parent
CHART = HERE.parent / "chart"

KWOK = Module("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
NODES = 50
PODS_PER_NODE = 110
QUIET_CORES, QUIET_SECONDS = 0.3, 2.0
FAKE = "tensorflow-job.test/fake"
# Only what asks for it lands on a fake node.
ON_FAKE_NODES: dict[str, Any] = {
    "nodeSelector": {FAKE: "true"},
    "tolerations": [{"key": FAKE, "operator": "Exists", "effect": "NoSchedule"}],
}


class LateError(Exception):
    """Something did not happen in time."""


class Lab:
    """The cluster, and what every measurement needs of it."""

    def __init__(self) -> None:
        self.target = target.find()
        if not self.target.own:
            raise SystemExit(
                "CLUSTER_TEST_IMAGE names another cluster; unset it: benchmarks run on the kit's own cluster only"
            )
        self.api = Api(self.target.environ)
        self._namespaces: list[str] = []

    def close(self) -> None:
        """Wait until the namespaces are gone, and end the connection."""
        for name in self._namespaces:
            wait(f"namespace {name} is gone", partial(self._is_gone, name), 600)
        self.api.close()

    @contextlib.contextmanager
    def namespace(self, title: str) -> Iterator[str]:
        """A new namespace, which starts to go at the end; its pods are gone then, and disturb nothing that follows."""
        name = f"bench-{title}-{secrets.token_hex(2)}"
        self.api.create("namespaces", "", {"metadata": {"name": name}})
        self._namespaces.append(name)
        try:
            wait("the default service account", lambda: self.exists("serviceaccounts", name, "default"), 60)
            settle()
            yield name
        finally:
            self.remove(name)
            wait(f"the pods of {name} are gone", lambda: not self.api.get("pods", name, limit="1")["items"], 600)

    def remove(self, namespace: str) -> None:
        """Start to remove a namespace.

        What creates pods goes first, and then the pods, all together: the namespace controller takes them in turns.
        """
        for group, plural in (("kubeflow.org", "tfjobs"), ("batch", "jobs"), ("apps", "statefulsets")):
            with contextlib.suppress(ApiError):  # there may be no TFJobs
                self.api.text("DELETE", f"/apis/{group}/v1/namespaces/{namespace}/{plural}", {})
        with contextlib.suppress(ApiError):
            self.api.text("DELETE", f"/api/v1/namespaces/{namespace}/pods", {"gracePeriodSeconds": 0})
        with contextlib.suppress(ApiError):
            self.api.delete("namespaces", "", namespace)

    def exists(self, plural: str, namespace: str, name: str) -> bool:
        """Whether there is such an object."""
        try:
            self.api.get(plural, namespace, name)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _is_gone(self, namespace: str) -> bool:
        return not self.exists("namespaces", "", namespace)

    def run(self, *command: str, text: str | None = None) -> str:
        """What kubectl or helm prints; fails when it does."""
        done = self.target.run(*command, text=text, seconds=600)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def end_program(self, namespace: str, pod: str, code: int) -> None:
        """Let the program in a pod on a fake node end (stages.yaml)."""
        body = {"metadata": {"annotations": {"tensorflow-job.test/exit": str(code)}}}
        self.api.patch("pods", namespace, pod, body)


@contextlib.contextmanager
def fake_nodes(lab: Lab) -> Iterator[None]:
    """Fake nodes that are ready, and KWOK, which runs every pod that comes to them."""
    with lock():
        program = build(KWOK, HERE / "go" / KWOK.name) / "kwok"
    names = [f"fake-{number}" for number in range(NODES)]
    command: list[str | Path] = [program, f"--kubeconfig={lab.target.environ['KUBECONFIG']}"]
    command += [
        f"--config={HERE / 'stages.yaml'}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-label-selector={FAKE}=true",
    ]
    command += ["--cidr=10.64.0.0/16", "--node-lease-duration-seconds=40", "--server-address="]
    with own_process("kwok", command, {}) as kwok:
        try:
            for name in names:
                lab.api.create("nodes", "", _node(name))
            wait("the fake nodes are ready", lambda: kwok.poll() is not None or all(map(_is_ready, _fake(lab))), 120)
            if kwok.poll() is None:  # otherwise own_process shows its log
                yield
        finally:
            # While KWOK still runs: a pod on a node that is gone would stay until the collector finds it.
            _empty(lab)
            for name in names:
                with contextlib.suppress(ApiError):
                    lab.api.delete("nodes", "", name)


@contextlib.contextmanager
def own_process(name: str, command: Sequence[str | Path], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours in the background; its log is shown when it ends before its time."""
    with tempfile.NamedTemporaryFile(prefix=f"{name}-", suffix=".log") as log:
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=log)
        try:
            yield process
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: {Path(log.name).read_text()[-3000:]}")
        except BaseException:
            print(f"the end of the log of {name}:\n{Path(log.name).read_text(errors='replace')[-3000:]}")
            raise
        finally:
            process.terminate()
            process.wait()


def wait(what: str, condition: Callable[[], object], seconds: float) -> None:
    """Return as soon as the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise LateError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def say(text: str) -> None:
    """Print what is being done, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def in_parallel(work: Callable[[Any], object], items: list[Any], threads: int = 8) -> None:
    """Do this with each of the items."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, items))


def control_plane() -> dict[str, int]:
    """The processes of the control plane whose cost is measured: name -> process id."""
    names = ("kube-apiserver", "kube-controller-manager", "etcd")
    return {name: pid for name in names if (pid := processes.process_id(name))}


def settle() -> None:
    """Wait until the control plane has worked off what happened before, so that the next figure is of what comes.

    Long enough, too, for a controller that may send 20 requests a second, and 30 at once, to have its 30 again.
    """

    def spent() -> float:
        return sum(usage.read(pid).cpu for pid in control_plane().values())

    def quiet() -> bool:
        before = spent()
        time.sleep(QUIET_SECONDS)
        return spent() - before < QUIET_CORES * QUIET_SECONDS

    wait("the control plane is quiet", quiet, 120)


def _node(name: str) -> Object:
    size = {"cpu": "64", "memory": "256Gi", "pods": str(PODS_PER_NODE)}
    return {
        "metadata": {"name": name, "labels": {FAKE: "true", "kubernetes.io/hostname": name}},
        "spec": {"taints": [{"key": FAKE, "value": "true", "effect": "NoSchedule"}]},
        "status": {"allocatable": size, "capacity": size},
    }


def _fake(lab: Lab) -> list[Object]:
    nodes: list[Object] = lab.api.get("nodes", "", labelSelector=f"{FAKE}=true")["items"]
    return nodes


def _is_ready(node: Object) -> bool:
    """Whether pods can be placed there: the node controller takes its own taint away a moment after Ready."""
    taints = [taint["key"] for taint in node["spec"].get("taints", ())]
    conditions = node["status"].get("conditions", ())
    return taints == [FAKE] and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )


def _empty(lab: Lab) -> None:
    """Remove what still runs on the fake nodes, after a failure."""
    for namespace in {pod["metadata"]["namespace"] for pod in _pods_on_fake_nodes(lab)}:
        lab.remove(namespace)
    wait("the fake nodes are empty", lambda: not _pods_on_fake_nodes(lab), 300)


def _pods_on_fake_nodes(lab: Lab) -> list[Object]:
    listing = json.loads(lab.api.text("GET", "/api/v1/pods", query={"fieldSelector": "spec.nodeName!=node1"}))
    return [pod for pod in listing["items"] if pod["spec"].get("nodeName", "").startswith("fake-")]
