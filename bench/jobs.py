"""The same job four ways: a release of the chart, a bare StatefulSet, a TFJob; and the programs of the real ones."""

from __future__ import annotations

import json
from typing import Any

import yaml

from hack.cluster.proxy import Object
from tfconfig.values.libyaml import loader

from .lab import CHART, ON_FAKE_NODES, Lab

Values = dict[str, Any]

# A program as people write it: it handles no signals, so as process 1 it ignores SIGTERM, as a TensorFlow server does.
# The chief runs until it gets an answer on a port of this machine, and reports when it ended.
PROGRAM = """
import json, os, signal, socket, time
if json.loads(os.environ["TF_CONFIG"])["task"]["type"] != "chief":
    signal.pause()
with socket.create_connection((os.environ["GATE_HOST"], int(os.environ["GATE_PORT"]))) as gate:
    gate.sendall(os.environ["JOB"].encode())
    gate.recv(1)
open("/dev/termination-log", "w").write(str(time.time()))
"""


def roles(tasks: int) -> dict[str, int]:
    """So many tasks: a chief, a tenth of them but at most 10 parameter servers, and workers."""
    ps = min(10, max(1, tasks // 10))
    return {"chief": 1, "worker": tasks - 1 - ps, "ps": ps}


def fake_values(lab: Lab, tasks: int, **more: Any) -> Values:
    """Values of a job whose training pods go to the fake nodes; its lifecycle runs for real."""
    image = dict(zip(("repository", "tag"), lab.target.python_image.rsplit(":", 1), strict=True))
    return {
        "program": {"command": ["python3", "train.py"]},
        "image": image,
        "lifecycle": {"image": image, "nodeSelector": {"kubernetes.io/hostname": "node1"}},
        "checkpoint": {"enabled": False},
        **{role: {"replicas": replicas} for role, replicas in roles(tasks).items()},
        **ON_FAKE_NODES,
        **more,
    }


def bare_set(lab: Lab, name: str, tasks: int) -> list[Object]:
    """One StatefulSet with the worker pods of a release, and its headless Service."""
    objects = render(lab, name, "none", fake_values(lab, tasks))
    service = next(item for item in objects if item["kind"] == "Service")
    workers = next(item for item in objects if item["metadata"]["name"] == f"{name}-worker")
    workers["spec"]["replicas"] = tasks
    return [service, workers]


def render(lab: Lab, name: str, namespace: str, values: Values) -> list[Object]:
    """What `helm template` makes of a release."""
    text = lab.run("helm4", "template", name, str(CHART), "-n", namespace, "-f", "-", text=yaml.safe_dump(values))
    return [item for item in yaml.load_all(text, Loader=loader()) if item]


def tfjob(name: str, replicas: dict[str, int], container: Object, pod: Object) -> Object:
    """A TFJob that takes its own running pods away at its end, which is not its default."""
    kinds = {"chief": "Chief", "worker": "Worker", "ps": "PS"}
    template = {"spec": {**pod, "containers": [{"name": "tensorflow", **container}]}}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": name},
        "spec": {
            "runPolicy": {"cleanPodPolicy": "Running"},
            "tfReplicaSpecs": {
                kinds[role]: {"replicas": count, "restartPolicy": "Never", "template": template}
                for role, count in replicas.items()
            },
        },
    }


def fake_tfjob(lab: Lab, name: str, tasks: int) -> Object:
    """A TFJob of so many tasks on the fake nodes."""
    container = {"image": lab.target.python_image, "command": ["python3", "train.py"]}
    return tfjob(name, roles(tasks), container, ON_FAKE_NODES)


def apply(lab: Lab, namespace: str, objects: list[Object]) -> None:
    """Create these objects, as `kubectl create` does."""
    lab.run("kubectl", "create", "-n", namespace, "-f", "-", text="\n---\n".join(map(json.dumps, objects)))
