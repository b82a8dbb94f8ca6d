"""Gang scheduling by Kubernetes' own scheduler, on request: a feature gate and an API, which are off by default."""

from __future__ import annotations

from .settings import KUBERNETES, STATE
from .shell import KitError

STATES = ("on", "ignored", "off")  # ignored: by kube-scheduler alone, as where an administrator forgot its gate
PROCESSES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
API = "/apis/scheduling.k8s.io/v1beta1"
_GATE = "--feature-gates=GenericWorkload=true"
_CHOSEN = STATE / "gang"


def chosen() -> str:
    """The state that was chosen last."""
    return _CHOSEN.read_text() if _CHOSEN.exists() else "off"


def choose(state: str) -> None:
    """The state of processes that start from now on."""
    if state != "off" and KUBERNETES == "1.35":
        raise KitError(f"Kubernetes {KUBERNETES} has no such PodGroup")
    _CHOSEN.write_text(state)


def options(name: str) -> list[str]:
    """What is added to the command of a process of the control plane."""
    state = chosen()
    if state == "off" or (state == "ignored" and name == "kube-scheduler"):
        return []
    served = [f"--runtime-config={API.removeprefix('/apis/')}=true"] if name == "kube-apiserver" else []
    return [_GATE, *served]
