"""Whether the API server keeps the PodGroup of pods: it drops it where the feature gate is off."""

from __future__ import annotations

from collections.abc import Iterable

from tfconfig.cluster.preflight.check import ERROR, OK, Check, Object
from tfconfig.tensorflow_job.lifecycle.gang import GATE, group_name

CHECK = "gang scheduling"
GATE_FIX = (
    f"the administrator turns on the {GATE} (kube-apiserver, kube-scheduler, kube-controller-manager) and "
    "--runtime-config=scheduling.k8s.io/v1beta1=true (kube-apiserver), of Kubernetes 1.37 or newer; or remove "
    "podGroup.scheduler"
)


def check_gang(tried: Iterable[tuple[Object, Object]]) -> list[Check]:
    """`tried`: pods as they were sent in a dry run, each with what came back."""
    of_groups = [(sent, got) for sent, got in tried if group_name(sent["spec"])]
    if not of_groups:
        return []
    if all(group_name(got["spec"]) for _, got in of_groups):
        return [Check(CHECK, OK, "the API server keeps the PodGroup of pods")]
    message = "the API server drops the PodGroup of pods: the tasks would start one by one"
    return [Check(CHECK, ERROR, message, GATE_FIX)]
