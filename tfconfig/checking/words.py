"""Words of TFJob and of pods, and where the values have the same."""

from __future__ import annotations

# Key -> what to do instead.
ADVICE = {
    "cleanPodPolicy": "set cleanup.onSuccess and cleanup.onFailure: Delete or Keep",
    "containers": "set image, program, env and resources; for other containers extraContainers",
    "enableDynamicWorker": "remove it; with strategy ParameterServer the chief tolerates lost workers",
    "hostNetwork": "remove it: hostNetwork is not supported, because no network policy protects TensorFlow servers on "
    "the network of a node, and two tasks on one node would need the same port; for fast networks see values/rdma.yaml",
    "managedBy": "remove it: nothing but the release's own lifecycle runs the job",
    "Master": "write it as chief",
    "master": "write it as chief",
    "minAvailable": "set podGroup.scheduler: all tasks then start together",
    "ports": "set container.ports",
    "replicaSpecs": "write the roles at the top: chief, worker, ps, evaluator; tfconfig convert does it for a TFJob",
    "restartPolicy": "set restart.policy",
    "runPolicy": "set restart, cleanup, deadlines and suspend; tfconfig convert does it for a TFJob",
    "schedulingPolicy": "set podGroup.scheduler and podGroup.queue, as in values/volcano.yaml",
    "template": "write its fields at the role, or at the top for all roles: image, resources, podLabels, …",
    "tfReplicaSpecs": "write the roles at the top: chief, worker, ps, evaluator; tfconfig convert does it for a TFJob",
    "ttlSecondsAfterFinished": "remove it: a release cannot remove itself; docs/from-tfjob.md has how to clean up",
}
# Value -> what to use instead of it.
VALUES = {"Always": "use OnFailure; restart.alwaysRoles has the roles that start again after exit status 0 too"}
# Fields of pods and of the training container that have no value of their own.
IN_POD_SPEC = frozenset((
    "dnsConfig", "dnsPolicy", "hostAliases", "hostUsers", "nodeName", "os", "overhead", "preemptionPolicy",
    "readinessGates", "resourceClaims", "schedulingGates", "serviceAccountName",
))  # fmt: skip
IN_CONTAINER = frozenset((
    "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "stdin", "tty", "volumeDevices",
))  # fmt: skip


def instead(key: str) -> str:
    """What to do about a key that the values do not have; empty where no word is known."""
    if key in IN_POD_SPEC:
        return f"set podSpec.{key}"
    if key in IN_CONTAINER:
        return f"set container.{key}"
    return ADVICE.get(key, "")
