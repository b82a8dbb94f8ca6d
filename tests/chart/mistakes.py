"""Values that are refused, each with what Helm says; the templates' rules and the schema's."""

from __future__ import annotations

from typing import NamedTuple

from .helm import Values


class Mistake(NamedTuple):
    """Values laid over a good job, and the start of the message about them."""

    values: Values
    message: str


def _job(strategy: str, **counts: int) -> Values:
    return {"strategy": strategy, **{role: {"replicas": count} for role, count in counts.items()}}


_CLAIM: Values = {"mountPath": "/data", "existingClaim": "datasets"}

# Rules across fields: _validate.tpl.
RULES = [
    Mistake(
        {"logs": {"persist": True}, "checkpoint": {"enabled": False}},
        "logs.persist: true, but checkpoint.enabled is false and there is no volume to keep them on; set",
    ),
    Mistake(
        {"tensorboard": {"enabled": True}, "checkpoint": {"enabled": False}},
        "tensorboard.enabled: true, but checkpoint.enabled is false and there is nothing to show; set",
    ),
    Mistake(
        {"tensorboard": {"enabled": True, "ingress": {"enabled": True}}},
        "tensorboard.ingress.host: missing, and without it the Ingress takes every host; give",
    ),
    Mistake({"program": {"command": []}}, "program.command: missing; give the command that trains"),
    Mistake({"program": {"command": None}}, "program.command: missing; give the command that trains"),
    Mistake(
        {"program": {"files": {"a.py": ""}, "existingConfigMap": "mine"}},
        "program.existingConfigMap: given together with program.files, and both would be mounted at /app; keep one",
    ),
    Mistake(
        {"program": {"files": {"a.py": "x" * 500_000, "b.py": "x" * 500_000}}},
        "program.files: 976 KiB in all, and a release has room for 900; put the program into the image",
    ),
    Mistake({"fullnameOverride": "1x"}, 'fullnameOverride: "1x" cannot be the name of a Service'),
    Mistake({"fullnameOverride": "x" * 43}, f'fullnameOverride: "{"x" * 43}" has 43 characters'),
    # Roles
    Mistake(
        _job("ParameterServer", chief=0),
        "chief.replicas: 0, but with strategy ParameterServer the chief runs the program; set",
    ),
    Mistake(
        _job("InGraph", chief=0), "chief.replicas: 0, but with strategy InGraph the chief runs the program; set chief"
    ),
    Mistake(
        _job("ParameterServer", worker=0), "worker.replicas: 0, but with strategy ParameterServer the workers do the"
    ),
    Mistake(
        _job("ParameterServer", ps=0),
        "ps.replicas: 0, but with strategy ParameterServer the variables are on parameter",
    ),
    Mistake(
        _job("BetweenGraph", ps=0), "ps.replicas: 0, but with strategy BetweenGraph the variables are on parameter"
    ),
    Mistake(
        _job("InGraph", worker=0, ps=0),
        "worker.replicas: 0 and no parameter servers, but with strategy InGraph the chief's",
    ),
    Mistake(
        _job("MultiWorkerMirrored", ps=2),
        "ps.replicas: 2 parameter servers, but strategy MultiWorkerMirrored has no use for",
    ),
    Mistake(
        _job("BetweenGraph", worker=0),
        "ps.replicas: 1 parameter servers but no chief and no worker uses them; set worker",
    ),
    Mistake(
        _job("Custom", worker=0, ps=2),
        "ps.replicas: 2 parameter servers but no chief and no worker uses them; set worker",
    ),
    Mistake(_job("Custom", worker=0), "worker.replicas: 0 and no chief, so no task trains; set worker.replicas"),
    Mistake(
        _job("MultiWorkerMirrored", worker=0), "worker.replicas: 0 and no chief, so no task trains; set worker.replicas"
    ),
    # Success
    Mistake(
        {"strategy": "Custom", "completion": {"successPolicy": "Chief"}},
        "completion.successPolicy: Chief, but there is no chief; set chief.replicas: 1, or leave the policy out",
    ),
    Mistake(
        {
            "strategy": "Custom",
            "chief": {"replicas": 1},
            "worker": {"replicas": 0},
            "completion": {"successPolicy": "AllWorkers"},
        },
        "completion.successPolicy: AllWorkers, but there is no worker; set worker.replicas to at least 1",
    ),
    Mistake(
        {"completion": {"successPolicy": "AllWorkers"}},
        "completion.successPolicy: AllWorkers, but with strategy ParameterServer the workers only serve and never end",
    ),
    Mistake(
        {"strategy": "InGraph", "completion": {"successPolicy": "Worker0"}},
        "completion.successPolicy: Worker0, but with strategy InGraph the workers only serve and never end",
    ),
    Mistake(
        {"worker": {"replicas": 5000}, "fullnameOverride": "mnist"},
        "worker.replicas: the addresses of all tasks make a TF_CONFIG of 154020 bytes, and Linux starts no program",
    ),
    # Environment
    *(
        Mistake({"env": {name: "x"}}, f"env.{name}: made by the chart for every task; remove it, or give the program's")
        for name in (
            "TF_CONFIG",
            "TASK_TYPE",
            "TASK_INDEX",
            "TASK_PROGRESS_FILE",
            "PS_HOSTS",
            "WORKER_HOSTS",
            "CHECKPOINT_DIR",
        )
    ),
    Mistake({"worker": {"env": {"TF_CONFIG": "x"}}}, "worker.env.TF_CONFIG: made by the chart for every task"),
    Mistake(
        {"data": {"a": {**_CLAIM, "env": "TASK_TYPE"}}},
        "data.a.env: TASK_TYPE is made by the chart for every task; choose",
    ),
    Mistake(
        {"env": {"DATA": "/x"}, "data": {"a": {**_CLAIM, "env": "DATA"}}},
        "data.a.env: DATA is in env too; remove one of them",
    ),
    Mistake(
        {"data": {"a": {**_CLAIM, "env": "DATA"}, "b": {**_CLAIM, "mountPath": "/b", "env": "DATA"}}},
        "data.b.env: DATA is the variable of data.a too; choose another name",
    ),
    # GPUs
    Mistake(
        {"worker": {"resources": {"limits": {"nvidia.com/gpu": 1}}}},
        "worker.gpus: 0, but its resources.limits have 1 of nvidia.com/gpu; set worker.gpus alone",
    ),
    Mistake(
        {"worker": {"gpus": 2, "resources": {"requests": {"nvidia.com/gpu": 1}}}},
        "worker.gpus: 2, but its resources.requests have 1 of nvidia.com/gpu; set worker.gpus alone",
    ),
    Mistake(
        {"ps": {"resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}},
        "ps.gpus: 0, but its resources.limits have 1 of nvidia.com/mig-1g.5gb; set gpuResource: nvidia.com/mig-1g.5gb",
    ),
    # Volumes
    Mistake(
        {"data": {"a": {"mountPath": "/data"}}},
        "data.a: neither existingClaim nor volume; name a claim, or give a Kubernetes",
    ),
    Mistake(
        {"data": {"a": {**_CLAIM, "volume": {"emptyDir": {}}}}},
        "data.a: both existingClaim and volume; keep one of them",
    ),
    Mistake(
        {"data": {"a": {**_CLAIM, "mountPath": "/checkpoints/"}}},
        "mountPath: /checkpoints is used by two volumes, checkpoints and data-a; give one of them another path",
    ),
    Mistake(
        {"extraVolumes": [{"name": "state", "emptyDir": {}}]},
        "extraVolumes: two volumes are called state; give yours another",
    ),
    Mistake(
        {"extraVolumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]},
        "extraVolumeMounts: scratch is mounted at /scratch but is no volume; add it to extraVolumes",
    ),
    Mistake(
        {"extraContainers": [{"name": "tensorflow", "image": "x"}]},
        'extraContainers: "tensorflow" is the name of the training container; give yours another name',
    ),
    # The rest
    *(
        Mistake(
            {"podLabels": {label: "x"}},
            f"podLabels: {label} is set by the chart, which finds its pods by it; remove it",
        )
        for label in ("tensorflow-job/role", "app.kubernetes.io/component")
    ),
    Mistake({"ps": {"podLabels": {"tensorflow-job/job": "x"}}}, "ps.podLabels: tensorflow-job/job is set by the chart"),
    Mistake(
        {"lifecycle": {"podLabels": {"tensorflow-job/job": "x"}}}, "lifecycle.podLabels: tensorflow-job/job is set by"
    ),
    Mistake(
        {"serviceAccount": {"create": False}},
        "serviceAccount.name: missing, and serviceAccount.create is false; name an account with the rights",
    ),
    Mistake(
        {"env": {"A": "\x7f"}}, "env: has a control character or a byte order mark, which YAML cannot hold; remove it"
    ),
    Mistake({"podAnnotations": {"a": "\ufeff"}}, "podAnnotations: has a control character or a byte order mark"),
]

_NUMBER = "got string, want integer"

# What values.schema.json refuses, in Helm's words.
SCHEMA = [
    Mistake({"wrker": {}}, "at '': additional properties 'wrker' not allowed"),
    Mistake({"worker": {"replica": 2}}, "at '/worker': additional properties 'replica' not allowed"),
    Mistake({"cleanPodPolicy": "All"}, "at '': additional properties 'cleanPodPolicy' not allowed"),
    Mistake({"worker": {"replicas": -1}}, "at '/worker/replicas': minimum: got -1, want 0"),
    Mistake({"worker": {"replicas": 1.5}}, "at '/worker/replicas': got number, want integer"),
    Mistake({"worker": {"replicas": "2"}}, f"at '/worker/replicas': {_NUMBER}"),
    Mistake({"worker": {"replicas": 100_001}}, "at '/worker/replicas': maximum: got 100,001, want 100,000"),
    Mistake({"chief": {"replicas": 2}}, "at '/chief/replicas': maximum: got 2, want 1"),
    Mistake({"evaluator": {"replicas": 2}}, "at '/evaluator/replicas': maximum: got 2, want 1"),
    Mistake({"ps": {"gpus": -1}}, "at '/ps/gpus': minimum: got -1, want 0"),
    Mistake({"strategy": "parameterServer"}, "at '/strategy': value must be one of 'ParameterServer', 'BetweenGraph'"),
    Mistake({"strategy": None}, "at '': missing property 'strategy'"),
    Mistake(
        {"restart": {"policy": "Always"}}, "at '/restart/policy': value must be one of 'Never', 'OnFailure', 'ExitCode'"
    ),
    Mistake({"restart": {"retryableExitCodes": [0]}}, "at '/restart/retryableExitCodes/0': minimum: got 0, want 1"),
    Mistake({"restart": {"backoffLimit": -1}}, "at '/restart/backoffLimit': minimum: got -1, want 0"),
    Mistake(
        {"completion": {"successPolicy": "chief"}},
        "at '/completion/successPolicy': value must be one of 'Chief', 'Worker0'",
    ),
    Mistake({"cleanup": {"onSuccess": "All"}}, "at '/cleanup/onSuccess': value must be one of 'Delete', 'Keep'"),
    Mistake({"deadlines": {"activeSeconds": 0}}, "at '/deadlines/activeSeconds': minimum: got 0, want 1"),
    Mistake({"deadlines": {"activeSeconds": "1h"}}, "at '/deadlines/activeSeconds': got string, want null or integer"),
    Mistake({"terminationGracePeriodSeconds": 0}, "at '/terminationGracePeriodSeconds': minimum: got 0, want 1"),
    Mistake({"run": "2"}, f"at '/run': {_NUMBER}"),
    Mistake({"suspend": "yes"}, "at '/suspend': got string, want boolean"),
    Mistake({"program": {"command": "python3 train.py"}}, "at '/program/command': got string, want array"),
    Mistake({"program": {"args": ["--steps", 100]}}, "at '/program/args/1': got number, want string"),
    # --set-file program.files.train.py=… without the backslash
    Mistake(
        {"program": {"files": {"train": {"py": "x"}}}}, "at '/program/files/train': got object, want null or string"
    ),
    *(
        Mistake({"program": {"files": {name: "x"}}}, f"invalid propertyName '{name}'")
        for name in ("src/train.py", "..", "..train.py", "a b")
    ),
    Mistake(
        {"env": {"LEARNING_RATE": 0.1}},
        "at '/env/LEARNING_RATE': got number, want null or boolean or integer or string",
    ),
    Mistake({"env": {"BIG": 2**60}}, "at '/env/BIG': maximum: got"),
    Mistake({"env": {"A": {"secretKeyRef": {}}}}, "at '/env/A': additional properties 'secretKeyRef' not allowed"),
    Mistake({"env": {"1A": "x"}}, "invalid propertyName '1A'"),
    Mistake({"env": [{"name": "A", "value": "b"}]}, "at '/env': got array, want null or object"),
    Mistake({"image": {"tag": 2.16}}, "at '/image/tag': got number, want null or string"),
    Mistake(
        {"image": {"repository": "tensorflow/tensorflow:2.16.1"}},
        "at '/image/repository': 'tensorflow/tensorflow:2.16.1' does not",
    ),
    Mistake({"image": {"digest": "sha256:abc"}}, "at '/image/digest': 'sha256:abc' does not match pattern"),
    Mistake(
        {"image": {"pullPolicy": "always"}},
        "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    Mistake({"image": "tensorflow:2"}, "at '/image': got string, want object"),
    # The bug of the archived stable/distributed-tensorflow chart, now in values
    Mistake({"resources": {"request": {"cpu": 1}}}, "at '/resources': additional properties 'request' not allowed"),
    Mistake(
        {"worker": {"resources": {"limits": {"memory": "16Gx"}}}},
        "at '/worker/resources/limits/memory': '16Gx' does not match",
    ),
    Mistake(
        {"resources": {"limits": {"memory": "16 Gi"}}}, "at '/resources/limits/memory': '16 Gi' does not match pattern"
    ),
    Mistake({"resources": {"limits": {"cpu": -1}}}, "at '/resources/limits/cpu': minimum: got -1, want 0"),
    Mistake({"resources": {"limits": {"cpu": True}}}, "at '/resources/limits/cpu': got boolean, want"),
    Mistake({"shmSize": "8GB"}, "at '/shmSize': '8GB' does not match pattern"),
    Mistake({"checkpoint": {"size": "1T B"}}, "at '/checkpoint/size': '1T B' does not match pattern"),
    Mistake(
        {"checkpoint": {"mountPath": "checkpoints"}}, "at '/checkpoint/mountPath': 'checkpoints' does not match pattern"
    ),
    Mistake({"checkpoint": {"directory": "../other"}}, "at '/checkpoint/directory': '../other' does not match pattern"),
    Mistake(
        {"checkpoint": {"accessModes": ["RWX"]}}, "at '/checkpoint/accessModes/0': value must be one of 'ReadWriteMany'"
    ),
    Mistake({"checkpoint": {"accessModes": []}}, "at '/checkpoint/accessModes': minItems: got 0, want 1"),
    Mistake({"data": {"a": {"existingClaim": "c"}}}, "at '/data/a': missing property 'mountPath'"),
    Mistake({"data": {"Digits": _CLAIM}}, "invalid propertyName 'Digits'"),
    Mistake({"nodeSelector": {"gpu": True}}, "at '/nodeSelector/gpu': got boolean, want null or string"),
    Mistake({"podLabels": {"team": "a b"}}, "at '/podLabels/team': 'a b' does not match pattern"),
    Mistake({"tolerations": {"key": "a"}}, "at '/tolerations': got object, want null or array"),
    Mistake(
        {"topologySpreadConstraints": [{"maxSkew": 1}]},
        "at '/topologySpreadConstraints/0': missing properties 'topologyKey'",
    ),
    Mistake({"extraVolumes": [{"emptyDir": {}}]}, "at '/extraVolumes/0': missing property 'name'"),
    Mistake({"server": {"imports": ["a-b"]}}, "at '/server/imports/0': 'a-b' does not match pattern"),
    Mistake(
        {"networkPolicy": {"extraPeers": [{"podSelectr": {}}]}},
        "at '/networkPolicy/extraPeers/0': additional properties",
    ),
    Mistake({"fullnameOverride": 12}, "at '/fullnameOverride': got number, want string"),
    Mistake({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0': got string, want object"),
]
