"""Start and stop the cluster as a whole."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import struct
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from . import certificates, gang, images, nodes, processes, provisioner
from .api import Api, ApiError
from .build import build_programs, install_packages, lock
from .settings import (
    API_PORT,
    API_SERVICE_ADDRESS,
    CLUSTER_DOMAIN,
    ETCD_PEER_URL,
    ETCD_URL,
    HOST_ADDRESS,
    KIT,
    KUBECONFIG,
    KUBERNETES,
    KUBERNETES_VERSIONS,
    PROGRAMS,
    RUNNING_VERSION,
    SERVICE_NETWORK,
    STATE,
    node_address,
    node_name,
)
from .shell import KitError, say

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "coredns", "provisioner")

_COREFILE = f"""
. {{
    bind {HOST_ADDRESS}
    errors
    cache 5
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {KUBECONFIG}
    }}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def up(node_count: int) -> None:
    """Bring up the cluster with at least so many nodes: build, install and start what is missing."""
    _need_root()
    with lock():
        check_version()
        if _is_healthy(node_count):
            say("the cluster is running")
            return
        started = time.monotonic()
        with ThreadPoolExecutor() as pool:
            install_packages()
            programs = pool.submit(build_programs)
            store = pool.submit(images.image_store)
            programs.result()
            ready_store = store.result()
        if processes.is_running(node_name(1)):
            # Others may use it: what cannot be repaired (a node that is cut off, say) must not cost them the rest.
            _start_all(node_count, ready_store)
        else:
            # Left from before a restart of the machine, or of a start that was cut short.
            _down()
            with _stopped_on_failure():
                _start_all(node_count, ready_store)
        say(f"the cluster is running, after {time.monotonic() - started:.1f} s")


def down() -> None:
    """Stop the cluster and remove everything but the build cache."""
    _need_root()
    with lock():
        _down()


def status() -> bool:
    """Print what runs, and return whether all of it does."""
    expected = [*CONTROL_PLANE, *(name for number in nodes.numbers() for name in nodes.process_names(number))]
    for name in expected:
        pid = processes.process_id(name)
        print(f"{name:28} {f'process {pid}' if pid else 'not running'}")
    ready = all(map(processes.is_running, expected))
    try:
        api = Api() if certificates.AUTHORITY.exists() else None
        for node in api.call("GET", "/api/v1/nodes")["items"] if api else ():
            print(f"{node['metadata']['name']:28} {'Ready' if _is_ready(node) else 'not ready'}")
            ready = ready and _is_ready(node)
    except (OSError, http.client.HTTPException, ApiError) as error:
        print(f"the API server does not answer: {error}")
        ready = False
    return ready


def stop_part(name: str) -> None:
    """End one process of the cluster, to see what happens without it."""
    if name not in processes.names():
        raise KitError(f"no such process; there are {' '.join(processes.names())}")
    with lock():
        processes.kill([name])


def start_part(name: str) -> None:
    """Start a process of the control plane again."""
    with lock():
        check_version()
        _start_control_plane([name])


def switch_gang(state: str) -> None:
    """Restart the control plane with gang scheduling, or without; its PodGroups must go first, or they could not."""
    with lock():
        check_version()
        if not certificates.AUTHORITY.exists():
            raise KitError("the cluster does not run")
        api = Api()
        if gang.chosen() == state:
            return
        if state == "off":
            processes.wait("all PodGroups are gone", lambda: not _pod_groups(api), gang.PROCESSES)
        try:
            _restart_with_gang(state, api)
        except BaseException:
            say("failed: back to a control plane without gang scheduling")
            _restart_with_gang("off", api)
            raise


def _restart_with_gang(state: str, api: Api) -> None:
    gang.choose(state)
    processes.kill(gang.PROCESSES)
    # The last threads of a process that was killed may hold its port when it is gone.
    processes.wait("the API server's port is free", _port_is_free, ["etcd"])
    _start_control_plane(gang.PROCESSES)
    processes.wait("the API server is ready", lambda: _answers(api), gang.PROCESSES)


def _pod_groups(api: Api) -> list[object]:
    """Return the PodGroups of all namespaces; none where they are not served."""
    try:
        groups: list[object] = api.call("GET", f"{gang.API}/podgroups")["items"]
    except ApiError as error:
        if error.status != 404:
            raise
        return []
    return groups


def check_version() -> None:
    """Refuse to take the cluster that runs for one of another version of Kubernetes."""
    if KUBERNETES not in KUBERNETES_VERSIONS:
        raise KitError(f"CLUSTER_KUBERNETES is {KUBERNETES}; there are {' and '.join(KUBERNETES_VERSIONS)}")
    running = RUNNING_VERSION.read_text() if RUNNING_VERSION.exists() else KUBERNETES
    if running != KUBERNETES:
        stop = f"to have one of {KUBERNETES}, stop it (python3 -m hack.cluster down)"
        raise KitError(f"a cluster of Kubernetes {running} runs; {stop}")


def _need_root() -> None:
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        raise KitError("the cluster needs root on Linux")


@contextmanager
def _stopped_on_failure() -> Iterator[None]:
    """Stop what was started when something fails; its logs are in the error's text."""
    try:
        yield
    except BaseException:
        say("failed: stopping what was started")
        _down()
        raise


def _down() -> None:
    if not STATE.exists():
        nodes.remove_bridge()
        return
    for number in nodes.numbers():
        nodes.stop(number)
    processes.kill(processes.names())
    nodes.remove_bridge()
    nodes.remove_cgroups()
    shutil.rmtree(STATE)


def _is_healthy(node_count: int) -> bool:
    """Return whether the cluster is up with so many nodes."""
    running = nodes.numbers()
    names = [*CONTROL_PLANE, *(name for number in running for name in nodes.process_names(number))]
    if len(running) < node_count or not all(map(processes.is_running, names)):
        return False
    return all(_node_is_ready(Api(), number) for number in running)


def _start_all(node_count: int, store: Path) -> None:
    """Start what does not run, and wait until all of it works."""
    STATE.mkdir(parents=True, exist_ok=True)
    RUNNING_VERSION.write_text(KUBERNETES)
    nodes.make_bridge()
    certificates.make_cluster_certificates()
    KUBECONFIG.touch(mode=0o600)
    KUBECONFIG.write_text(certificates.kubeconfig("admin"))
    _start_control_plane(CONTROL_PLANE[:2])
    wanted = sorted({*range(1, node_count + 1), *nodes.numbers()})
    for number in wanted:
        nodes.start(number, store)
    api = Api()
    processes.wait("the API server is ready", lambda: _answers(api), CONTROL_PLANE[:2])
    provisioner.create_storage_class(api)
    _start_control_plane(CONTROL_PLANE)
    needed = list(CONTROL_PLANE)
    for number in wanted:
        needed += nodes.process_names(number)
        processes.wait(f"{node_name(number)} is ready", partial(_node_is_ready, api, number), needed)
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    processes.wait("the default service account exists", lambda: _exists(api, path), needed)
    name = f"kubernetes.default.svc.{CLUSTER_DOMAIN}"
    processes.wait("the DNS server answers", lambda: _resolve(name) == API_SERVICE_ADDRESS, needed)


def _start_control_plane(names: tuple[str, ...] | list[str]) -> None:
    """Start these processes of the control plane, unless they run."""
    folder = STATE / "control-plane"
    folder.mkdir(exist_ok=True)
    commands: dict[str, list[str | Path]] = {
        "etcd": _etcd(folder),
        "kube-apiserver": _api_server(folder),
        "kube-controller-manager": _controller_manager(folder),
        "kube-scheduler": _scheduler(folder),
        "coredns": _dns_server(folder),
        "provisioner": ["env", f"PYTHONPATH={KIT.parents[1]}", sys.executable, "-m", __package__, "provisioner"],
    }
    for name in names:
        if name not in commands:
            raise KitError(f"no such process; there are {' '.join(commands)}")
        more = gang.options(name) if name in gang.PROCESSES else []
        processes.start(name, [*commands[name], *more])


def _etcd(folder: Path) -> list[str | Path]:
    return [
        PROGRAMS / "etcd",
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}",
        f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=default={ETCD_PEER_URL}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(folder: Path) -> list[str | Path]:
    certificate, key = certificates.certificate, certificates.key
    return [
        PROGRAMS / "kube-apiserver",
        f"--etcd-servers={ETCD_URL}",
        f"--bind-address={HOST_ADDRESS}",
        f"--advertise-address={HOST_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--cert-dir={folder}",
        f"--client-ca-file={certificates.AUTHORITY}",
        f"--tls-cert-file={certificate('apiserver')}",
        f"--tls-private-key-file={key('apiserver')}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        f"--service-account-key-file={certificates.SERVICE_ACCOUNT_PUBLIC_KEY}",
        f"--service-account-signing-key-file={certificates.SERVICE_ACCOUNT_KEY}",
        f"--kubelet-certificate-authority={certificates.AUTHORITY}",
        f"--kubelet-client-certificate={certificate('admin')}",
        f"--kubelet-client-key={key('admin')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
    ]


def _controller_manager(folder: Path) -> list[str | Path]:
    return [
        PROGRAMS / "kube-controller-manager",
        f"--kubeconfig={_kubeconfig_file(folder, 'kube-controller-manager')}",
        f"--root-ca-file={certificates.AUTHORITY}",
        f"--service-account-private-key-file={certificates.SERVICE_ACCOUNT_KEY}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def _scheduler(folder: Path) -> list[str | Path]:
    kubeconfig = _kubeconfig_file(folder, "kube-scheduler")
    return [PROGRAMS / "kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0"]


def _dns_server(folder: Path) -> list[str | Path]:
    corefile = folder / "Corefile"
    corefile.write_text(_COREFILE)
    return [PROGRAMS / "coredns", "-conf", corefile]


def _kubeconfig_file(folder: Path, name: str) -> Path:
    """Write the kubeconfig of a process of the control plane."""
    file = folder / f"{name}.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(certificates.kubeconfig(name))
    return file


def _answers(api: Api) -> bool:
    """Return whether the API server reports that it is ready."""
    try:
        return api.text("GET", "/readyz") == "ok"
    except (OSError, http.client.HTTPException, ApiError):
        return False


def _port_is_free() -> bool:
    """Return whether an API server can listen."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST_ADDRESS, API_PORT))
            listener.listen()
        except OSError:
            return False
    return True


def _exists(api: Api, path: str) -> bool:
    """Return whether an object exists."""
    try:
        api.text("GET", path)
    except (OSError, http.client.HTTPException, ApiError):
        return False
    return True


def _node_is_ready(api: Api, number: int) -> bool:
    """Return whether a node takes pods, and its services work."""
    try:
        node = api.call("GET", f"/api/v1/nodes/{node_name(number)}")
    except (OSError, http.client.HTTPException, ApiError):
        return False
    return _is_ready(node) and processes.is_healthy(node_address(number), 10256)


def _is_ready(node: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    """Return whether a Node object has the condition Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))


def _resolve(name: str) -> str | None:
    """Ask the cluster's DNS server for the address of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">B2H", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(1)
        try:
            channel.sendto(query, (HOST_ADDRESS, 53))
            answer = channel.recv(512)
        except OSError:
            return None
    answered = struct.unpack(">H", answer[6:8])[0] > 0
    # A single address record ends with its four bytes.
    return socket.inet_ntoa(answer[-4:]) if answered else None
