"""Hypothesis strategies: values of this chart that are mostly right, and ways to spoil them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

Values = dict[str, Any]

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
WORDS = st.sampled_from(["x", "$(PS_HOSTS)", "--n=1", "", "é", "<&>", "a b"])
QUANTITIES = st.sampled_from(["1", "500m", "1Gi", 2, "0.5"])
VARIABLES = st.sampled_from(["A", "B_C", "HOME", "DATA"])
ENV = st.dictionaries(
    VARIABLES,
    st.one_of(
        WORDS,
        st.integers(-5, 5),
        st.booleans(),
        st.none(),
        st.just({"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
    ),
    max_size=2,
)
LABELS = st.dictionaries(st.sampled_from(["team", "example.com/x"]), st.sampled_from(["a", "", "b.c"]), max_size=2)


def some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Values]:
    """A map with any of these keys."""
    return st.fixed_dictionaries({}, optional=optional)


SETTINGS = {
    "image": some(repository=st.just("team/train"), tag=st.sampled_from(["", "1.0"])),
    "env": ENV,
    "resources": some(limits=some(cpu=QUANTITIES), requests=some(memory=QUANTITIES)),
    "nodeSelector": LABELS,
    "podLabels": LABELS,
    "tolerations": st.just([{"operator": "Exists"}]),
    "shmSize": st.sampled_from(["", "1Gi"]),
    "terminationGracePeriodSeconds": st.integers(1, 600),
    "python": st.sampled_from([["python3"], ["conda", "run", "python"]]),
    "extraVolumes": st.just([{"name": "scratch", "emptyDir": {}}]),
}


def role(replicas: st.SearchStrategy[Any]) -> st.SearchStrategy[Values]:
    """The values under a role."""
    return some(replicas=replicas, gpus=st.integers(0, 2), **SETTINGS)


# Values that the schema accepts. Some break a rule across fields, such as a strategy without the roles it needs.
VALUES: st.SearchStrategy[Values] = st.fixed_dictionaries(
    {"program": st.fixed_dictionaries({"command": st.lists(WORDS, min_size=1, max_size=3)}, optional={
        "args": st.lists(WORDS, max_size=2),
        "workingDir": st.sampled_from(["", "/work"]),
        "files": st.dictionaries(st.sampled_from(["a.py", "b.txt"]), st.one_of(WORDS, st.none()), max_size=2),
        "existingConfigMap": st.sampled_from(["", "", "", "programs"]),
    })},
    optional={
        **SETTINGS,
        "strategy": st.sampled_from(["ParameterServer", "BetweenGraph", "InGraph", "MultiWorkerMirrored", "Custom"]),
        "chief": role(st.sampled_from([None, 0, 1])),
        "worker": role(st.integers(0, 12)),
        "ps": role(st.one_of(st.none(), st.integers(0, 3))),
        "evaluator": role(st.integers(0, 1)),
        "server": some(imports=st.just(["my.ops"])),
        "checkpoint": some(
            enabled=st.sampled_from([True, True, True, False]),
            mountPath=st.sampled_from(["/c", "/c/", "/data", "/app"]),
            directory=st.sampled_from(["", "runs/1"]),
            existingClaim=st.sampled_from(["", "shared"]),
            keep=st.booleans(),
        ),
        "data": st.dictionaries(
            st.sampled_from(["set", "more"]),
            st.fixed_dictionaries(
                {"mountPath": st.sampled_from(["/data", "/more"])},
                optional={
                    "existingClaim": st.just("claim"),
                    "volume": st.just({"emptyDir": {}}),
                    "env": st.sampled_from(["DATA", "OTHER", "TF_CONFIG"]),
                    "readOnly": st.booleans(),
                },
            ),
            max_size=2,
        ),
        "completion": some(
            successPolicy=st.sampled_from([None, None, "Chief", "Worker0", "AllWorkers"]),
            evaluatorGraceSeconds=st.sampled_from([0, 300, 10_000_000]),
        ),
        "restart": some(
            policy=st.sampled_from(["Never", "OnFailure", "ExitCode"]),
            backoffLimit=st.sampled_from([0, 1, 1_000_000]),
            retryableExitCodes=st.one_of(st.none(), st.just([1, 255])),
            alwaysRoles=st.sampled_from([[], ["ps"], ["ps", "evaluator"]]),
            uncountedExitCodes=st.sampled_from([[], [42], [7, 8]]),
            nodeLoss=st.sampled_from(["Wait", "Replace"]),
        ),
        "deadlines": some(
            activeSeconds=st.sampled_from([None, 1, 86_400, 31_536_000]),
            startSeconds=st.sampled_from([None, 600]),
            unstartableSeconds=st.sampled_from([1, 300, 2_000_000]),
            stallSeconds=st.sampled_from([None, 1, 600]),
        ),
        "cleanup": some(onSuccess=st.sampled_from(["Delete", "Keep"]), onFailure=st.sampled_from(["Delete", "Keep"])),
        "suspend": st.booleans(),
        "logs": some(persist=st.booleans(), maxBytes=st.sampled_from([4096, 10**12]), files=st.sampled_from([1, 100])),
        "metrics": some(
            **{"from": st.sampled_from([[], [{"podSelector": {}}]])},
            enabled=st.booleans(),
            podMonitor=some(enabled=st.booleans()),
            prometheusRule=some(enabled=st.booleans()),
            dashboard=some(enabled=st.booleans()),
        ),
        "tensorboard": some(
            enabled=st.booleans(),
            directory=st.sampled_from(["", "a/b"]),
            ingress=some(enabled=st.booleans(), host=st.sampled_from(["", "a.example.com"])),
        ),
        "run": st.integers(0, 3),
        "fullnameOverride": st.sampled_from(["", "", "other", "9x", "a" * 43]),
        "serviceAccount": some(create=st.booleans(), name=st.sampled_from(["", "runner"])),
    },
)  # fmt: skip

# What people put in the wrong place.
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2,
        1.5,
        10**9,
        "",
        "3",
        "yes",
        "Never",
        "never",
        "a b",
        "x\n",
        [],
        [1],
        ["x"],
        {},
        {"a": 1},
    ]
)


@st.composite
def spoiled(draw: st.DrawFn) -> Values:
    """Values with one to three things at random places replaced, removed by null or added."""
    values = copy.deepcopy(draw(VALUES))  # st.just gives the same object each time
    for _ in range(draw(st.integers(1, 3))):
        here: Any = values
        for _ in range(draw(st.integers(0, 3))):
            inner = [
                child
                for child in (here.values() if isinstance(here, dict) else here)
                if child and isinstance(child, (dict, list))
            ]
            if not inner:
                break
            here = draw(st.sampled_from(inner))
        if isinstance(here, list):
            here[draw(st.integers(0, len(here) - 1))] = copy.deepcopy(draw(ODD))
        else:
            new = st.sampled_from(
                [
                    "replica",
                    "env",
                    "worker",
                    "replicas",
                    "policy",
                    "a b",
                    "cleanup",
                    "checkpoint",
                    "server",
                    "lifecycle",
                ]
            )
            here[draw(st.sampled_from(sorted(here)) | new if here else new)] = copy.deepcopy(draw(ODD))
    return values


# Parts of pods that go to Kubernetes as they are: right ones, to be spoiled.
CONTAINER: Values = {
    "name": "side",
    "image": "busybox:1.36",
    "command": ["sh"],
    "env": [{"name": "A", "value": "b"}, {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "envFrom": [{"secretRef": {"name": "keys"}}],
    "ports": [{"name": "web", "containerPort": 80, "protocol": "TCP"}],
    "resources": {"limits": {"cpu": 1, "memory": "64Mi"}, "requests": {"cpu": "100m"}},
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "subPath": "a"}],
    "securityContext": {"runAsUser": 1001, "capabilities": {"drop": ["ALL"]}},
    "livenessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 3},
}
PASSED_ON: Values = {
    "program": {"command": ["x"]},
    "extraContainers": [CONTAINER],
    "initContainers": [{key: CONTAINER[key] for key in ("image", "env", "resources")} | {"name": "first"}],
    "extraVolumes": [
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "files", "projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}}]}},
    ],
    "extraVolumeMounts": [{"name": "files", "mountPath": "/files", "readOnly": True}],
    "tolerations": [{"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 3}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "a", "labelSelector": {"matchLabels": {"a": "b"}}}}
            ]
        },
    },
    "podSecurityContext": {"fsGroup": 1, "seccompProfile": {"type": "RuntimeDefault"}, "sysctls": []},
    "securityContext": {"privileged": False, "capabilities": {"add": ["NET_BIND_SERVICE"]}},
    "data": {"set": {"mountPath": "/data", "volume": {"nfs": {"server": "a", "path": "/"}}}},
    "env": {"S": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}},
    "networkPolicy": {"extraPeers": [{"podSelector": {"matchLabels": {"a": "b"}}}]},
    "lifecycle": {"tolerations": [{"operator": "Exists"}], "resources": {"limits": {"memory": "64Mi"}}},
}
FIELDS = ["name", "image", "value", "key", "valueFrom", "emptyDir", "port", "type", "weight", "readOnly", "runAsUser"]


@st.composite
def spoiled_parts(draw: st.DrawFn) -> Values:
    """PASSED_ON with one to three things deep inside replaced or added."""
    values = copy.deepcopy(PASSED_ON)
    for _ in range(draw(st.integers(1, 3))):
        parents = [part for part in _containers(values) if part is not values]
        here = draw(st.sampled_from(parents))
        if isinstance(here, list):
            index = draw(st.integers(0, len(here)))
            here[index : index + 1] = [copy.deepcopy(draw(ODD))]
        else:
            here[draw(st.sampled_from([*sorted(here), *FIELDS]))] = copy.deepcopy(draw(ODD))
    return values


def _containers(value: Any) -> list[Any]:
    """Every map and list in a value."""
    if not isinstance(value, (dict, list)):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [value, *(item for child in inner for item in _containers(child))]
