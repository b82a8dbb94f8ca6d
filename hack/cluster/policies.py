"""NetworkPolicies that hold, on request: without this nothing on the cluster enforces them.

On every node runs kube-network-policies, of Kubernetes' SIG Network, as it is. It judges the first packet of each
connection, which the kernel hands to it.
"""

from __future__ import annotations

import shutil

from . import nodes, processes
from .api import Api
from .build import build_programs, lock
from .certificates import AUTHORITY
from .settings import API_PORT, HOST_ADDRESS, NODES, POD_NETWORK, PROGRAMS, node_name
from .shell import KitError, run

MODULE = "network-policies"
_PROGRAM = "kube-network-policies"
_QUEUE = "100"
_CHAIN = "NETWORK-POLICIES"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ACCOUNTS = "/api/v1/namespaces/kube-system/serviceaccounts"
_WATCH = ["get", "list", "watch"]
_RULES = [
    {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": _WATCH},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": _WATCH},
]


def on() -> None:
    """Enforce NetworkPolicies on all nodes, from the next connection on."""
    with lock():
        build_programs([MODULE])
        token = _token(Api())
        for number in nodes.numbers():
            _start(number, token)


def off() -> None:
    """Enforce them no more."""
    with lock():
        for number in nodes.numbers():
            for arguments in (["-D", "POSTROUTING", "-j", _CHAIN], ["-F", _CHAIN], ["-X", _CHAIN]):
                _iptables(number, *arguments, check=False)
            processes.kill([_process(number)])


def _start(number: int, token: str) -> None:
    name, folder = _process(number), NODES / node_name(number) / "run"
    # Where the program, as a pod, finds its account.
    account = folder / "secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True, exist_ok=True)
    (account / "token").write_text(token)
    shutil.copy(AUTHORITY, account / "ca.crt")
    program = folder / _PROGRAM
    if not processes.is_running(name):
        shutil.copy(PROGRAMS / _PROGRAM, program)
    api = ["env", f"KUBERNETES_SERVICE_HOST={HOST_ADDRESS}", f"KUBERNETES_SERVICE_PORT={API_PORT}"]
    options = [f"--nfqueue-id={_QUEUE}", f"--hostname-override={node_name(number)}", "--fail-open", "--v=2"]
    options += ["--netfilter-bug-1766-fix=false", "--metrics-bind-address=127.0.0.1:9080"]
    processes.start(name, [*nodes.entered(number), *api, f"/run/{_PROGRAM}", *options])
    processes.wait(f"{name} judges connections", lambda: _listens(number), [name])
    _make_rules(number)


def _make_rules(number: int) -> None:
    """Hand it each new connection.

    The program makes such rules of its own, with an nftables expression (CONFIG_NFT_QUEUE) that not every kernel has.
    Where both are there, it judges a connection twice.
    """
    for arguments in (
        ["-N", _CHAIN],
        ["-F", _CHAIN],
        ["-A", _CHAIN, "-m", "owner", "--uid-owner", "0", "-j", "RETURN"],  # the kubelet's probes
        ["-A", _CHAIN, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"],
        ["-A", _CHAIN, "-s", POD_NETWORK, "-j", "NFQUEUE", "--queue-num", _QUEUE, "--queue-bypass"],
        ["-A", _CHAIN, "-d", POD_NETWORK, "-j", "NFQUEUE", "--queue-num", _QUEUE, "--queue-bypass"],
        ["-D", "POSTROUTING", "-j", _CHAIN],
        ["-I", "POSTROUTING", "-j", _CHAIN],
    ):
        _iptables(number, *arguments, check=arguments[0] in ("-A", "-I"))


def _iptables(number: int, *arguments: str, check: bool = True) -> None:
    enter = ["nsenter", "--target", str(nodes.first_process(node_name(number))), "--net"]
    run([*enter, "iptables", "--wait", "--table", "mangle", *arguments], check=check)


def _listens(number: int) -> bool:
    """Return whether a program takes packets from the queue of the node's kernel."""
    file = f"/proc/{nodes.first_process(node_name(number))}/net/netfilter/nfnetlink_queue"
    try:
        with open(file, encoding="ascii") as queues:
            return any(line.split()[:1] == [_QUEUE] for line in queues)
    except OSError as error:
        raise KitError(f"the kernel has no packet queues (CONFIG_NETFILTER_NETLINK_QUEUE): {error}") from error


def _token(api: Api) -> str:
    """Return a token of the program's account, which is made with its permissions."""
    metadata = {"name": _PROGRAM}
    subject = {"kind": "ServiceAccount", "name": _PROGRAM, "namespace": "kube-system"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _PROGRAM}
    api.create(_ACCOUNTS, {"metadata": metadata})
    api.create(f"{_RBAC}/clusterroles", {"metadata": metadata, "rules": _RULES})
    binding = {"metadata": metadata, "subjects": [subject], "roleRef": role}
    api.create(f"{_RBAC}/clusterrolebindings", binding)
    return api.token("kube-system", _PROGRAM)


def _process(number: int) -> str:
    return f"{node_name(number)}-{MODULE}"
