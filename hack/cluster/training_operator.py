"""Kubeflow's training operator for TFJobs, on request, as its own manifests install it, but as a process beside the API
server. It has its service account's permissions, its webhook, and every default.
"""

from __future__ import annotations

import base64
import shutil

from . import build, certificates, processes
from .api import Api, ApiError
from .build import build_programs, lock
from .manifests import Object, apply, kubectl, read, wait_for_types
from .settings import BRIDGE, HOST_ADDRESS, PROGRAMS, STATE
from .shell import run

MODULE = "training-operator"
_NAMESPACE = "kubeflow"
# Of its Service, and of this machine: the API server, a process of this machine too, calls the webhook there.
_ADDRESS, _PORT = "10.233.0.43", 9443
_HEALTH_PORT = 18082
_SECRET = "training-operator-webhook-cert"
_WEBHOOK = "validator.training-operator.kubeflow.org"
_FILES = ("crds/kubeflow.org_tfjobs.yaml", "rbac/role.yaml", "rbac/cluster-role-binding.yaml", "webhook/manifests.yaml")
_FOLDER = STATE / MODULE
# Where it looks for its certificates, which it has no option for: in a /tmp of its own.
_CERTIFICATES = _FOLDER / "tmp/k8s-webhook-server/serving-certs"


def on() -> None:
    """Run it, ready for TFJobs."""
    with lock():
        build_programs([MODULE])
        if not processes.is_running(MODULE):
            _remove_webhook()  # of one that ended by itself: it would refuse what comes now
            _CERTIFICATES.mkdir(parents=True, exist_ok=True)
            apply(_objects())
            wait_for_types(["tfjobs.kubeflow.org"])
            run(["ip", "address", "replace", f"{_ADDRESS}/32", "dev", BRIDGE])
            _start()
        processes.wait("it has made its certificates", _has_certificates, [MODULE])
        processes.wait("it admits TFJobs", _admits, [MODULE])


def off() -> None:
    """Remove its objects and its type, with all TFJobs, and end it."""
    with lock():
        _remove_webhook()
        kubectl("delete", "crd", "tfjobs.kubeflow.org", "--ignore-not-found")
        processes.kill([MODULE])
        kubectl("delete", "clusterrolebinding,clusterrole", MODULE, "--ignore-not-found")
        kubectl("delete", "namespace", _NAMESPACE, "--ignore-not-found")
        run(["ip", "address", "delete", f"{_ADDRESS}/32", "dev", BRIDGE], check=False)
        shutil.rmtree(_FOLDER, ignore_errors=True)


def _objects() -> list[Object]:
    """What its own manifests install, but for its pod and its other types."""
    base = build.source(MODULE, "github.com/kubeflow/training-operator") / "manifests/base"
    objects = read("\n---\n".join((base / file).read_text() for file in _FILES))
    by_kind = {item["kind"]: item for item in objects}
    by_kind["ClusterRoleBinding"]["subjects"][0]["namespace"] = _NAMESPACE
    webhooks = by_kind["ValidatingWebhookConfiguration"]
    webhooks["metadata"]["name"] = _WEBHOOK
    for webhook in webhooks["webhooks"]:
        service = webhook["clientConfig"]["service"]
        service |= {"name": MODULE, "namespace": _NAMESPACE, "port": _PORT}
    spec = {"clusterIP": _ADDRESS, "ports": [{"port": _PORT}]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(MODULE)},
        {"apiVersion": "v1", "kind": "Secret", "metadata": _metadata(_SECRET)},
        {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(MODULE), "spec": spec},
        *objects,
    ]


def _start() -> None:
    kubeconfig = _FOLDER / "kubeconfig"
    certificates.write_token_kubeconfig(kubeconfig, MODULE, Api().token(_NAMESPACE, MODULE))
    options = ["--enable-scheme=tfjob", f"--webhook-server-port={_PORT}", "--metrics-bind-address=0"]
    options += [f"--health-probe-bind-address={HOST_ADDRESS}:{_HEALTH_PORT}", f"--kubeconfig={kubeconfig}"]
    mount = f"mount --bind {_FOLDER}/tmp /tmp"
    command = ["env", f"MY_POD_NAMESPACE={_NAMESPACE}", f"MY_POD_NAME={MODULE}", "unshare", "--mount"]
    command += ["sh", "-c", f'{mount} && exec "$@"', "sh", f"{PROGRAMS}/{MODULE}", *options]
    processes.start(MODULE, command)


def _has_certificates() -> bool:
    """Whether it has put its certificates in its Secret; bring it the files, as a kubelet would."""
    data = Api().call("GET", f"/api/v1/namespaces/{_NAMESPACE}/secrets/{_SECRET}").get("data", {})
    for name, text in data.items():
        (_CERTIFICATES / name).write_bytes(base64.b64decode(text))
    return "tls.crt" in data


def _admits() -> bool:
    """Whether a TFJob would be taken: the webhook answers."""
    template = {"spec": {"containers": [{"name": "tensorflow", "image": "none"}]}}
    body = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": "probe"},
        "spec": {"tfReplicaSpecs": {"Worker": {"replicas": 1, "template": template}}},
    }
    try:
        Api().text("POST", f"/apis/kubeflow.org/v1/namespaces/{_NAMESPACE}/tfjobs?dryRun=All", body)
    except ApiError:
        return False
    return True


def _remove_webhook() -> None:
    kubectl("delete", "validatingwebhookconfiguration", _WEBHOOK, "--ignore-not-found")


def _metadata(name: str) -> dict[str, str]:
    return {"name": name, "namespace": _NAMESPACE}
