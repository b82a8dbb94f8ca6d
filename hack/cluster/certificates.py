"""The cluster's certificates and kubeconfig files, made with openssl."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from .settings import API_SERVICE_ADDRESS, API_URL, CERTIFICATES, CLUSTER_DOMAIN, HOST_ADDRESS, node_address, node_name
from .shell import run

AUTHORITY = CERTIFICATES / "ca.crt"
SERVICE_ACCOUNT_KEY = CERTIFICATES / "service-account.key"
SERVICE_ACCOUNT_PUBLIC_KEY = CERTIFICATES / "service-account.pub"

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365"]


def certificate(name: str) -> Path:
    """Return the file of a certificate."""
    return CERTIFICATES / f"{name}.crt"


def key(name: str) -> Path:
    """Return the file of a certificate's private key."""
    return CERTIFICATES / f"{name}.key"


def make_cluster_certificates() -> None:
    """Make what the control plane needs, unless it is there."""
    CERTIFICATES.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not AUTHORITY.exists():
        usage = ["-subj", "/CN=tensorflow-job-test", "-addext", "keyUsage=critical,keyCertSign"]
        run(["openssl", "req", "-x509", *_NEW_KEY, *usage, "-keyout", key("ca"), "-out", AUTHORITY])
    if not SERVICE_ACCOUNT_KEY.exists():
        kind = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        run(["openssl", "genpkey", *kind, "-out", SERVICE_ACCOUNT_KEY])
        run(["openssl", "pkey", "-in", SERVICE_ACCOUNT_KEY, "-pubout", "-out", SERVICE_ACCOUNT_PUBLIC_KEY])
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{CLUSTER_DOMAIN}"]
    addresses = [API_SERVICE_ADDRESS, HOST_ADDRESS, "127.0.0.1"]
    _sign("apiserver", "/CN=kube-apiserver", [f"DNS:{name}" for name in names] + [f"IP:{ip}" for ip in addresses])
    _sign("admin", "/O=system:masters/CN=admin")
    for component in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        _sign(component, f"/CN=system:{component}")


def make_node_certificate(number: int) -> None:
    """Make the certificate with which a node's kubelet serves and calls, unless it is there."""
    name = node_name(number)
    _sign(name, f"/O=system:nodes/CN=system:node:{name}", [f"DNS:{name}", f"IP:{node_address(number)}"])


def make_server_certificate(name: str, address: str) -> None:
    """Make the certificate of something else that serves at an address, unless it is there."""
    _sign(name, f"/CN={name}", [f"IP:{address}"])


def kubeconfig(name: str) -> str:
    """Return the kubeconfig of the holder of a certificate."""
    return _kubeconfig(name, {"client-certificate-data": _data(certificate(name)), "client-key-data": _data(key(name))})


def write_token_kubeconfig(file: Path, name: str, token: str) -> None:
    """Write the kubeconfig of the holder of a token, for the owner of the file alone."""
    file.touch(mode=0o600)
    file.write_text(_kubeconfig(name, {"token": token}))


def _data(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _kubeconfig(name: str, user: dict[str, str]) -> str:
    """Return a kubeconfig; JSON is YAML too."""
    cluster = {"server": API_URL, "certificate-authority-data": _data(AUTHORITY)}
    context = {"cluster": "tensorflow-job-test", "user": name}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tensorflow-job-test", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "tensorflow-job-test", "context": context}],
        "current-context": "tensorflow-job-test",
    }
    return json.dumps(content, indent=2) + "\n"


def _sign(name: str, subject: str, alternatives: list[str] | None = None) -> None:
    """Make a certificate for servers and clients, signed by the cluster's authority, unless it is there."""
    if certificate(name).exists():
        return
    extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
    if alternatives:
        extensions.append(f"subjectAltName={','.join(alternatives)}")
    options = [word for extension in extensions for word in ("-addext", extension)]
    signer: list[str | Path] = ["-CA", AUTHORITY, "-CAkey", key("ca")]
    files: list[str | Path] = ["-keyout", key(name), "-out", certificate(name)]
    run(["openssl", "req", "-x509", *_NEW_KEY, *signer, "-subj", subject, *options, *files])
