"""Kubeflow's training operator 1.8.1 on the kit's cluster, as its own manifests install it, but as a process of this
machine: what it needs to be a pod, an image, there is none of.

It has its service account's permissions, its webhook, and every default. All of it is removed again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from hack.cluster.build import Module, build, lock
from hack.cluster.certificates import AUTHORITY
from hack.cluster.proxy import ApiError, Object
from hack.cluster.settings import API_URL, BRIDGE

from .lab import HERE, Lab, own_process, wait

OPERATOR = Module(
    "training-operator", {"training-operator": "github.com/kubeflow/training-operator/cmd/training-operator.v1"}
)
NAME = "training-operator"
WEBHOOK = "validator.training-operator.kubeflow.org"
PORT = 9443
# Where the operator's certificates are found: controller-runtime's default, which it has no option for.
CERTIFICATES = Path("/tmp/k8s-webhook-server/serving-certs")


@contextlib.contextmanager
def running(lab: Lab) -> Iterator[int]:
    """The operator, ready for TFJobs; gives its process id."""
    source = HERE / "go" / OPERATOR.name
    with lock():
        program = build(OPERATOR, source) / OPERATOR.name
    module = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/kubeflow/training-operator"],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    base = Path(module) / "manifests/base"
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(lab.namespace(NAME))
        objects = _cluster_wide(base, namespace)
        stack.callback(_remove, lab, objects)
        lab.run("kubectl", "apply", "--server-side", "-f", "-", text=_text([*objects, *_namespaced(namespace)]))
        stack.enter_context(_service_address(lab, namespace))
        kubeconfig = stack.enter_context(_kubeconfig(lab, namespace))
        command: list[str | Path] = [program, "--enable-scheme=tfjob", f"--webhook-server-port={PORT}"]
        environ = {"MY_POD_NAMESPACE": namespace, "MY_POD_NAME": NAME}
        process = stack.enter_context(own_process(NAME, [*command, f"--kubeconfig={kubeconfig}"], environ))
        stack.enter_context(_certificates(lab, namespace))
        wait("the operator admits TFJobs", lambda: process.poll() is not None or _admits(lab, namespace), 120)
        yield process.pid


def _cluster_wide(base: Path, namespace: str) -> list[Object]:
    """The operator's own manifests: CRD, ClusterRole and its binding, webhook."""
    files = ["crds/kubeflow.org_tfjobs.yaml", "rbac/role.yaml", "rbac/cluster-role-binding.yaml"]
    objects: list[Object] = [yaml.safe_load((base / file).read_text()) for file in [*files, "webhook/manifests.yaml"]]
    objects[2]["subjects"][0]["namespace"] = namespace
    webhook = objects[3]
    webhook["metadata"]["name"] = WEBHOOK
    for one in webhook["webhooks"]:
        one["clientConfig"]["service"] |= {"name": NAME, "namespace": namespace, "port": PORT}
    return objects


def _namespaced(namespace: str) -> list[Object]:
    metadata = {"name": NAME, "namespace": namespace}
    secret = {"name": "training-operator-webhook-cert", "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": PORT}]}},
    ]


@contextlib.contextmanager
def _service_address(lab: Lab, namespace: str) -> Iterator[None]:
    """The API server, a process of this machine too, reaches the Service here: its address is one of this machine's."""
    address = lab.api.get("services", namespace, NAME)["spec"]["clusterIP"]
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", BRIDGE], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", BRIDGE], check=False)


@contextlib.contextmanager
def _kubeconfig(lab: Lab, namespace: str) -> Iterator[Path]:
    """How the operator logs in: with a token of its service account."""
    token = lab.run("kubectl", "create", "token", NAME, "-n", namespace, "--duration=4h").strip()
    authority = base64.b64encode(AUTHORITY.read_bytes()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": API_URL, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(content))
        file.flush()
        yield Path(file.name)


@contextlib.contextmanager
def _certificates(lab: Lab, namespace: str) -> Iterator[None]:
    """Bring the operator the certificates that it puts in its Secret, as a kubelet would."""

    def made() -> dict[str, str]:
        data: dict[str, str] = lab.api.get("secrets", namespace, "training-operator-webhook-cert").get("data") or {}
        return data

    wait("the operator has made its certificates", lambda: "tls.crt" in made(), 120)
    CERTIFICATES.mkdir(parents=True, exist_ok=True)
    try:
        for name, text in made().items():
            (CERTIFICATES / name).write_bytes(base64.b64decode(text))
        yield
    finally:
        for file in CERTIFICATES.iterdir():
            file.unlink()
        CERTIFICATES.rmdir()
        CERTIFICATES.parent.rmdir()


def _admits(lab: Lab, namespace: str) -> bool:
    """Whether a TFJob would be taken: the webhook answers."""
    template = {"spec": {"containers": [{"name": "tensorflow", "image": "none"}]}}
    body = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": "probe"},
        "spec": {"tfReplicaSpecs": {"Worker": {"replicas": 1, "template": template}}},
    }
    try:
        path = f"/apis/kubeflow.org/v1/namespaces/{namespace}/tfjobs"
        lab.api.text("POST", path, body, query={"dryRun": "All"})
    except ApiError:
        return False
    return True


def _remove(lab: Lab, objects: list[Object]) -> None:
    # The webhook first: with the operator gone it would refuse everything.
    for one in reversed(objects):
        lab.run("kubectl", "delete", "--ignore-not-found", "--timeout=120s", "-f", "-", text=_text([one]))


def _text(objects: list[Object]) -> str:
    return "\n---\n".join(map(json.dumps, objects))
