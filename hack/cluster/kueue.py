"""Kueue, on request: it runs as a process beside the API server, which calls its webhooks by URL.

It sees only namespaces with the label LABEL, so that everything else on the cluster goes on as without it.
"""

from __future__ import annotations

import base64
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from . import build, certificates, processes
from .api import Api, ApiError
from .build import build_programs, lock
from .manifests import apply, kubectl, read, wait_for_types
from .settings import HOST_ADDRESS, PROGRAMS, STATE
from .shell import run

MODULE = "kueue"
LABEL = "tensorflow-job.test/kueue"
_NAMESPACE, _ACCOUNT = "kueue-system", "kueue-controller-manager"
_WEBHOOK_PORT, _HEALTH_PORT = 19443, 18081
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_GROUP = ".kueue.x-k8s.io"
# What the chart has for a Kueue that runs in a pod.
_OF_ITS_POD = {"APIService", "ConfigMap", "Deployment", "Secret", "Service"}
_FOLDER = STATE / "kueue"

# What is different from Kueue's defaults: jobs without a queue are managed, too; pods that are not ready within seconds
# lose their quota.
_VARIANTS: dict[str, dict[str, Any]] = {
    "on": {},
    "strict": {"manageJobsWithoutQueueName": True},
    "impatient": {"waitForPodsReady": {"timeout": "20s", "requeuingStrategy": {"backoffBaseSeconds": 1}}},
}
VARIANTS = tuple(_VARIANTS)


def on(variant: str = "on") -> None:
    """Run Kueue in one of VARIANTS."""
    with lock():
        build_programs([MODULE])
        config = json.dumps({**_config(), **_VARIANTS[variant]}, indent=2)
        file = _FOLDER / "config.json"
        if file.exists() and file.read_text() != config:
            processes.kill([MODULE])
        _FOLDER.mkdir(parents=True, exist_ok=True)
        file.write_text(config)
        _write_certificates()
        if not processes.is_running(MODULE):
            _remove_webhooks(Api())  # of one that ended by itself: they would refuse what comes now
        objects = [_object("Namespace", _NAMESPACE), *_objects(config)]
        apply([item for item in objects if item["kind"] not in _WEBHOOKS])
        wait_for_types(_types(Api()))
        _start(file)
        apply([item for item in objects if item["kind"] in _WEBHOOKS])


def off() -> None:
    """Remove its objects, its webhooks and its types, with all queues and workloads, and end it."""
    with lock():
        api = Api()
        for name in _types(api):
            api.text("DELETE", f"{_CRDS}/{name}")
        if processes.is_running(MODULE):  # it takes its finalizers away
            processes.wait("Kueue's objects are gone", lambda: not _types(api), [MODULE], 60)
        _remove_webhooks(api)
        processes.kill([MODULE])
        selector = ["-l", "app.kubernetes.io/name=kueue"]
        kubectl("delete", "clusterroles,clusterrolebindings", *selector, "--ignore-not-found", "--wait=false")
        kubectl("delete", "rolebindings", "-n", "kube-system", *selector, "--ignore-not-found", "--wait=false")
        kubectl("delete", "namespace", _NAMESPACE, "--ignore-not-found")
        shutil.rmtree(_FOLDER, ignore_errors=True)


def _config() -> dict[str, Any]:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"{HOST_ADDRESS}:{_HEALTH_PORT}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": HOST_ADDRESS, "port": _WEBHOOK_PORT, "certDir": str(_FOLDER / "certificates")},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "manageJobsWithoutQueueName": False,
        "managedJobsNamespaceSelector": {"matchLabels": {LABEL: "true"}},
        "integrations": {"frameworks": ["batch/job", "pod", "deployment", "statefulset"]},
    }


def _write_certificates() -> None:
    """Those of the webhooks, and where Kueue looks for those of metrics that it does not serve here."""
    certificates.make_server_certificate(MODULE, HOST_ADDRESS)
    for folder in (_FOLDER / "certificates", _FOLDER / "etc/kueue/metrics/certs"):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(certificates.certificate(MODULE), folder / "tls.crt")
        shutil.copy(certificates.key(MODULE), folder / "tls.key")


def _objects(config: str) -> list[dict[str, Any]]:
    """What Kueue's own chart installs, but for its pod; its webhooks by URL."""
    values = {"managerConfig": {"controllerManagerConfigYaml": config}}
    chart = build.source(MODULE, "sigs.k8s.io/kueue") / "charts/kueue"
    helm: list[str | Path] = [PROGRAMS / "helm3", "template", "kueue", chart, "-n", _NAMESPACE, "-f", "-"]
    objects = read(run(helm, text=json.dumps(values)))
    for item in objects:
        for webhook in item.get("webhooks", ()):
            webhook["clientConfig"] = _by_url(webhook["clientConfig"])
        conversion = item.get("spec", {}).get("conversion", {}).get("webhook")
        if conversion:
            conversion["clientConfig"] = _by_url(conversion["clientConfig"])
    return [item for item in objects if item["kind"] not in _OF_ITS_POD]


def _by_url(config: dict[str, Any]) -> dict[str, str]:
    authority = base64.b64encode(certificates.AUTHORITY.read_bytes()).decode()
    return {"url": f"https://{HOST_ADDRESS}:{_WEBHOOK_PORT}{config['service']['path']}", "caBundle": authority}


def _start(config: Path) -> None:
    if processes.is_running(MODULE):
        return
    kubeconfig = _FOLDER / "kubeconfig"
    certificates.write_token_kubeconfig(kubeconfig, MODULE, Api().token(_NAMESPACE, _ACCOUNT))
    # /etc as it is, with the certificates that Kueue looks for there, for Kueue alone.
    mount = f"mount -t overlay overlay -o lowerdir={_FOLDER}/etc:/etc /etc"
    program = f"exec {PROGRAMS}/kueue --config={config} --feature-gates=VisibilityOnDemand=false"
    command = ["env", f"KUBECONFIG={kubeconfig}", "unshare", "--mount", "sh", "-c", f"{mount} && {program}"]
    processes.start(MODULE, command)
    is_ready = partial(processes.is_healthy, HOST_ADDRESS, _HEALTH_PORT, "/readyz")
    processes.wait("Kueue is ready", is_ready, [MODULE])


def _remove_webhooks(api: Api) -> None:
    for kind in ("mutating", "validating"):
        try:
            api.text("DELETE", f"{_ADMISSION}/{kind}webhookconfigurations/kueue-{kind}-webhook-configuration")
        except ApiError as error:
            if error.status != 404:
                raise


def _types(api: Api) -> list[str]:
    names = [crd["metadata"]["name"] for crd in api.call("GET", _CRDS)["items"]]
    return [name for name in names if name.endswith(_GROUP)]


def _object(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
