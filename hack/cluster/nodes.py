"""The cluster's nodes: each lives in network, mount and process namespaces of its own, as on a machine of its own.

What a node mounts, listens on and writes to /var and /run is therefore its own, and ends with its first process.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from . import certificates, processes
from .images import copy_store
from .settings import (
    BRIDGE,
    BUILDS,
    BUILDS_CONTAINERD,
    CGROUP,
    CLUSTER_DOMAIN,
    HOST_ADDRESS,
    NODES,
    PAUSE_IMAGE,
    POD_NETWORK,
    PROGRAMS,
    SERVICE_NETWORK,
    VOLUMES,
    node_address,
    node_name,
    pod_network,
)
from .shell import KitError, run, say

MAX_NODES = 9

_CGROUPS = Path("/sys/fs/cgroup")

# $1: the node's folder; $2: the volumes; $3: the built programs.
_INIT = """
set -e
mount --bind "$2" "$1/var/volumes"
mount --bind "$3" "$1/run/programs"
mount --rbind "$1/run" /run
mount --rbind "$1/var" /var
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
touch /run/ready
# Whatever ends without a parent in this node is collected at once.
exec env --ignore-signal=CHLD sleep infinity
"""

_CONTAINERD = f"""
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/run/cni"
"""


def process_names(number: int) -> list[str]:
    """Return the names of a node's processes, its first one first."""
    return [f"{node_name(number)}{suffix}" for suffix in ("", "-containerd", "-kubelet", "-kube-proxy")]


def numbers() -> list[int]:
    """Return the numbers of the nodes that were started."""
    return [number for number in range(1, MAX_NODES + 1) if (NODES / node_name(number)).exists()]


def make_bridge() -> None:
    """Make the bridge that joins the nodes and this machine, unless it is there."""
    if Path("/sys/class/net", BRIDGE).exists():
        return
    run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])


def remove_bridge() -> None:
    """Remove the bridge, and with it the routes to the pods."""
    if Path("/sys/class/net", BRIDGE).exists():
        run(["ip", "link", "delete", BRIDGE])


def start(number: int, store: Path) -> None:
    """Start the parts of a node that do not run; `store` is the containerd folder with the images."""
    name, folder = node_name(number), NODES / node_name(number)
    if not processes.is_running(name):
        say(f"starting {name}")
        if folder.exists():
            stop(number)
        _write_files(number, folder, store)
        _make_cgroup(name)
        unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
        processes.start(name, [*unshare, "sh", "-c", _INIT, name, folder, VOLUMES, BUILDS])
        processes.wait(f"{name} starts", (folder / "run/ready").exists, [name])
        _connect(number)
    _, containerd, kubelet, kube_proxy = process_names(number)
    enter = entered(number)
    command = [*_containerd(), "--config", "/run/containerd.toml", "--log-level", "warn"]
    processes.start(containerd, [*enter, *command])
    processes.wait(f"{containerd} starts", (folder / "run/containerd/containerd.sock").exists, [containerd])
    command = [_program("kubelet"), "--config=/run/kubelet.json", "--kubeconfig=/run/kubelet.kubeconfig"]
    processes.start(kubelet, [*enter, *command, f"--hostname-override={name}", f"--node-ip={node_address(number)}"])
    command = [_program("kube-proxy"), "--kubeconfig=/run/kube-proxy.kubeconfig", "--proxy-mode=iptables"]
    command += [f"--cluster-cidr={POD_NETWORK}", f"--hostname-override={name}", "--conntrack-max-per-core=0"]
    command += [f"--healthz-bind-address={node_address(number)}:10256", "--metrics-bind-address=127.0.0.1:10249"]
    processes.start(kube_proxy, [*enter, *command])


def stop(number: int) -> None:
    """End a node with everything on it at once, as a power cut does, and remove its folder."""
    name = node_name(number)
    # All processes of the node end with its first one.
    processes.kill([name])
    processes.kill(process_names(number))
    link = _link(number)
    # The kernel removes it together with the node's network namespace, now or in a moment: it may be gone in between.
    run(["ip", "link", "delete", link], check=False)
    if Path("/sys/class/net", link).exists():
        raise KitError(f"the network device {link} is still there; remove it: ip link delete {link}")
    remove_cgroups(name)
    shutil.rmtree(NODES / name)


def cut(number: int) -> None:
    """Pull the network plug of a node."""
    run(["ip", "link", "set", _link(number), "down"])


def heal(number: int) -> None:
    """Put the network plug of a node back."""
    run(["ip", "link", "set", _link(number), "up"])
    _route_pods(number)


def remove_cgroups(name: str = "") -> None:
    """Remove the control groups of a node, or of all nodes."""
    for hierarchy in _hierarchies():
        top = hierarchy / CGROUP / name
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()


def _link(number: int) -> str:
    """Return the name of this machine's end of a node's cable."""
    return f"tfjob-{node_name(number)}"


def entered(number: int) -> list[str | Path]:
    """Return the words before a command that runs it on a node."""
    return ["nsenter", "--target", str(first_process(node_name(number))), "--mount", "--net", "--pid"]


def first_process(name: str) -> int:
    """Return the process id, as seen from here, of a node's first process."""
    holder = processes.process_id(name)
    first = processes.child(holder) if holder else None
    if first is None:
        raise KitError(f"{name} does not run\n{processes.log_tail(name)}")
    return first


def _program(name: str) -> Path:
    """Return where a node sees a built program."""
    return Path("/run/programs", (PROGRAMS / name).resolve().parent.name, name)


def _containerd() -> list[str | Path]:
    """Return the command of containerd, Debian's or the one that is built; it looks for its shim on PATH."""
    if not BUILDS_CONTAINERD:
        return ["containerd"]
    program = _program("containerd")
    return ["env", f"PATH={program.parent}{os.pathsep}{os.environ['PATH']}", program]


def _connect(number: int) -> None:
    """Lay a cable from the bridge to a node, and the routes between them."""
    name, link = node_name(number), _link(number)
    pid = first_process(name)
    run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
    run(["ip", "link", "set", link, "master", BRIDGE, "up"])
    inside = ["nsenter", "--target", str(pid), "--net", "ip"]
    run([*inside, "address", "add", f"{node_address(number)}/24", "dev", "eth0"])
    run([*inside, "link", "set", "eth0", "up"])
    # Service addresses are translated after the choice of a route, so there must be one.
    run([*inside, "route", "add", SERVICE_NETWORK, "via", HOST_ADDRESS])
    # No default route: nothing on a node reaches anything but the cluster.
    for other in range(1, MAX_NODES + 1):
        if other != number:
            run([*inside, "route", "add", pod_network(other), "via", node_address(other)])
    _route_pods(number)


def _route_pods(number: int) -> None:
    """Let this machine, which the API and DNS servers run on, reach a node's pods."""
    run(["ip", "route", "replace", pod_network(number), "via", node_address(number)])


def _write_files(number: int, folder: Path, store: Path) -> None:
    """Make the node's own /run and /var."""
    name = node_name(number)
    run_folder, var = folder / "run", folder / "var"
    for path in (
        run_folder / "programs",
        run_folder / "cni",
        run_folder / "lock",
        var / "volumes",
        var / "lib/containerd",
        var / "lib/kubelet",
        var / "lib/cni",
        var / "log",
        var / "tmp",
    ):
        path.mkdir(parents=True)
    (var / "run").symlink_to("/run")
    (var / "lock").symlink_to("/run/lock")
    VOLUMES.mkdir(exist_ok=True)
    copy_store(store, var / "lib/containerd")
    certificates.make_node_certificate(number)
    shutil.copy(certificates.AUTHORITY, run_folder / "ca.crt")
    shutil.copy(certificates.certificate(name), run_folder / "kubelet.crt")
    shutil.copy(certificates.key(name), run_folder / "kubelet.key")
    (run_folder / "kubelet.kubeconfig").write_text(certificates.kubeconfig(name))
    (run_folder / "kube-proxy.kubeconfig").write_text(certificates.kubeconfig("kube-proxy"))
    (run_folder / "kubelet.json").write_text(json.dumps(_kubelet_configuration(number), indent=2))
    (run_folder / "containerd.toml").write_text(_CONTAINERD)
    (run_folder / "resolv.conf").touch()
    (run_folder / "cni/10-ptp.conflist").write_text(json.dumps(_pod_network_configuration(number), indent=2))


def _kubelet_configuration(number: int) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node_address(number),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": "/run/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}/{node_name(number)}",
        "clusterDNS": [HOST_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        # The images are links to a cache that is shared: nothing is gained by removing one.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "localStorageCapacityIsolation": False,
        "maxPods": 200,
        "resolvConf": "/run/resolv.conf",
        "serializeImagePulls": False,
        "tlsCertFile": "/run/kubelet.crt",
        "tlsPrivateKeyFile": "/run/kubelet.key",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def _pod_network_configuration(number: int) -> dict[str, object]:
    """Return the CNI configuration: every pod has a cable of its own to the node, which routes for it."""
    ranges = [[{"subnet": pod_network(number)}]]
    addresses = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _hierarchies() -> list[Path]:
    """Return where the control group hierarchies are mounted: several in version 1, one in version 2."""
    if (_CGROUPS / "cgroup.procs").exists():
        return [_CGROUPS]
    return [folder for folder in _CGROUPS.iterdir() if not folder.is_symlink() and (folder / "cgroup.procs").exists()]


def _make_cgroup(name: str) -> None:
    """Make a node's control group in every hierarchy."""
    for hierarchy in _hierarchies():
        parent = hierarchy
        for part in (CGROUP, name):
            folder = parent / part
            folder.mkdir(exist_ok=True)
            if (parent / "cgroup.subtree_control").exists():
                controllers = (parent / "cgroup.controllers").read_text().split()
                for controller in controllers:
                    (parent / "cgroup.subtree_control").write_text(f"+{controller}")
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (parent / file).exists() and (folder / "tasks").exists():
                    (folder / file).write_text((parent / file).read_text())
            parent = folder
