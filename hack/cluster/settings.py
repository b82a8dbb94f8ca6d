"""Names, versions and addresses of the test cluster, and the folders that it uses."""

from __future__ import annotations

import os
from pathlib import Path

# The versions of Kubernetes that the kit can run, each with a module in go/; the first unless another is asked for.
KUBERNETES_VERSIONS = ("1.37", "1.35")
KUBERNETES = os.environ.get("CLUSTER_KUBERNETES") or KUBERNETES_VERSIONS[0]
# A kubelet from 1.36 on needs containerd 2, which is newer than Debian's.
BUILDS_CONTAINERD = KUBERNETES != "1.35"

PYTHON_IMAGE = "tensorflow-job.test/python:1"
TENSORFLOW_IMAGE = "tensorflow-job.test/tensorflow:1"
PAUSE_IMAGE = "tensorflow-job.test/pause:1"

STORAGE_CLASS = "test"

CLUSTER_DOMAIN = "cluster.local"
BRIDGE = "tfjob0"
# The machine's own end of the bridge: here listen the API server and the DNS server.
HOST_ADDRESS = "10.231.0.1"
POD_NETWORK = "10.232.0.0/16"
SERVICE_NETWORK = "10.233.0.0/16"
API_SERVICE_ADDRESS = "10.233.0.1"
API_PORT = 6443
API_URL = f"https://{HOST_ADDRESS}:{API_PORT}"
ETCD_URL = "http://127.0.0.1:23790"
ETCD_PEER_URL = "http://127.0.0.1:23800"

# The parent, in every cgroup hierarchy, of the nodes' cgroups.
CGROUP = "tensorflow-job"

KIT = Path(__file__).resolve().parent
GO_MODULES = KIT / "go"
IMAGES = KIT / "images"

_PROJECT = "tensorflow-job-cluster"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _PROJECT
STATE = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / _PROJECT

BUILDS = CACHE / "programs"
# Links to the programs of this version of Kubernetes, and to those that all versions share.
PROGRAMS = CACHE / f"bin-{KUBERNETES}"
RUNNING_VERSION = STATE / "kubernetes"
KUBECONFIG = STATE / "kubeconfig"
CERTIFICATES = STATE / "certificates"
LOGS = STATE / "logs"
PROCESSES = STATE / "processes"
NODES = STATE / "nodes"
VOLUMES = STATE / "volumes"


def node_name(number: int) -> str:
    """Return the name of the node with this number (from 1)."""
    return f"node{number}"


def node_address(number: int) -> str:
    """Return the address of the node with this number."""
    return f"10.231.0.{10 + number}"


def pod_network(number: int) -> str:
    """Return the network of the pods on the node with this number."""
    return f"10.232.{number}.0/24"
