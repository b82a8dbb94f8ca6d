"""What a job of the example platform must not get, for each of the places that refuse it."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

JOB: Values = {
    "image": {"repository": "vision/train", "tag": "1.4"},
    "program": {"command": ["python3", "train.py"]},
    "worker": {"replicas": 4, "gpus": 2},
    "podLabels": {"cost-centre": "4711"},
}
ROLES = ("chief", "worker", "ps", "evaluator")
HOST = {"hostPath": {"path": "/"}}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "pwn"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"kind": "ServiceAccount", "name": "default"}],
}
LOOKUP = (
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {{ (lookup "v1" "Secret" "x" "y").data | toJson }}\n'
)
BESIDE = {"name": "x", "image": "evil.example/x:1"}

# Values over those of JOB. None of them is accepted by the policy or by the schema of the umbrella.
EVIL: dict[str, Values] = {
    "no registry": {"image": {"registry": None}},
    "another registry of a role": {"worker": {"image": {"registry": "evil.example"}}},
    "no registry of a role": {"ps": {"image": {"registry": ""}}},
    "another image for the lifecycle": {"lifecycle": {"image": {"registry": "evil.example"}}},
    "no registry for the lifecycle": {"lifecycle": {"image": {"registry": None}}},
    "another image for TensorBoard": {"tensorboard": {"enabled": True, "image": {"registry": "evil.example"}}},
    "no cost centre": {"podLabels": None},
    "another service account": {"serviceAccount": {"name": "admin"}},
    "a service account of its own": {"serviceAccount": {"create": True}},
    "a service account in podSpec": {"podSpec": {"serviceAccountName": "admin"}},
    "a folder of the node as data": {"data": {"x": {"mountPath": "/x", "volume": HOST}}},
    "a folder of the node": {"extraVolumes": [{"name": "x", **HOST}]},
    "a folder of the node of a role": {"worker": {"extraVolumes": [{"name": "x", **HOST}]}},
    "a folder of the node in podSpec": {"podSpec": {"volumes": [{"name": "x", **HOST}]}},
    "a container with another image": {"extraContainers": [BESIDE]},
    "an init container with another image": {"worker": {"initContainers": [BESIDE]}},
    "an init container in podSpec": {"podSpec": {"initContainers": [BESIDE]}},
    "root": {"podSecurityContext": {"runAsNonRoot": False, "runAsUser": 0}},
    "root in a role": {"ps": {"podSecurityContext": None}},
    "root for TensorBoard alone": {
        "tensorboard": {"enabled": True},
        "podSecurityContext": {"runAsNonRoot": False, "runAsUser": 0},
        **{role: {"podSecurityContext": {"runAsNonRoot": True, "runAsUser": 1000}} for role in ROLES},
    },
    "a privileged container": {"worker": {"securityContext": {"privileged": True}}},
    "no security context": {"securityContext": None},
    "16 GPUs for a task": {"worker": {"gpus": 16}},
    "any node": {"tolerations": [{"operator": "Exists"}]},
    "any node in podSpec": {"podSpec": {"tolerations": [{"operator": "Exists"}]}},
    "another priority": {"priorityClassName": "system-node-critical"},
    "open servers": {"networkPolicy": {"enabled": False}},
    "servers open to an address": {"networkPolicy": {"extraPeers": [{"ipBlock": {"cidr": "0.0.0.0/1"}}]}},
    "TensorBoard for all addresses": {"tensorboard": {"enabled": True, "from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}},
    "metrics for all namespaces": {"metrics": {"enabled": True, "from": [{"namespaceSelector": {}}]}},
    "no seccomp": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "no AppArmor": {"podSecurityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    "no seccomp for the lifecycle": {"lifecycle": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}},
    "an unmasked /proc": {"securityContext": {"procMount": "Unmasked"}},
    "another SELinux type": {"podSecurityContext": {"seLinuxOptions": {"type": "spc_t"}}},
    "any node for the lifecycle": {"lifecycle": {"tolerations": [{"operator": "Exists"}]}},
    "another priority of the lifecycle": {"lifecycle": {"priorityClassName": "system-node-critical"}},
    "one node": {"podSpec": {"nodeName": "node1"}},
    "a binding": {"extraObjects": {"pwn": BINDING}},
    "a lookup": {"extraObjects": {"x": LOOKUP}},
}
