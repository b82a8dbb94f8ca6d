"""Values that Helm refuses, each with its error message: by the rules of the templates and by the schema."""

from __future__ import annotations

from typing import NamedTuple

from tfconfig.checking.rules.pod_spec import OWN_FIELDS

from .helm import Values


class Case(NamedTuple):
    """Values over a valid job, and the start of the error message about them."""

    values: Values
    message: str


def _job(strategy: str, **counts: int) -> Values:
    return {"strategy": strategy, **{role: {"replicas": count} for role, count in counts.items()}}


_CLAIM: Values = {"mountPath": "/data", "existingClaim": "datasets"}


def _token(name: str, audience: str = "") -> Values:
    token = {"path": "token", **({"audience": audience} if audience else {})}
    return {"name": name, "projected": {"sources": [{"serviceAccountToken": token}]}}


# Rules across fields: _validate.tpl.
RULES = [
    Case(
        {"podGroup": {"scheduler": "Kubernetes"}, "worker": {"priorityClassName": "high"}},
        "podGroup.scheduler: Kubernetes starts the pods of a group together only with the same priorityClassName, but "
        "there are chief none, ps none, worker high; set priorityClassName for all roles at the top level",
    ),
    Case(
        {"podGroup": {"scheduler": "Kubernetes"}, "ps": {"podSpec": {"schedulerName": "mine"}}},
        "podGroup.scheduler: Kubernetes starts the pods of a group together only with the same schedulerName, but "
        "there are chief none, ps mine, worker none; set",
    ),
    Case(
        {"podGroup": {"scheduler": "Volcano"}},
        "podGroup.scheduler: Volcano finds the pods of a group by podAnnotations.scheduling.k8s.io/group-name, which "
        "those of chief, ps, worker have not, so they would start one by one; set podAnnotations: "
        '{"scheduling.k8s.io/group-name": $(JOB)} for all roles, as the overlay for Volcano does',
    ),
    Case(
        {
            "podGroup": {"scheduler": "Kubernetes"},
            "podLabels": {"scheduling.x-k8s.io/pod-group": "$(JOB)"},
            "ps": {"podLabels": {"scheduling.x-k8s.io/pod-group": None}},
        },
        "podGroup.scheduler: Kubernetes, but podLabels.scheduling.x-k8s.io/pod-group of chief, worker names a group of "
        "Coscheduling, which nothing creates; keep the overlay of one scheduler",
    ),
    Case(
        {"logs": {"persist": True}, "checkpoint": {"enabled": False}},
        "logs.persist: true, but checkpoint.enabled is false, so there is no volume for the logs; set",
    ),
    Case(
        {"tensorboard": {"enabled": True}, "checkpoint": {"enabled": False}},
        "tensorboard.enabled: true, but checkpoint.enabled is false, so there is nothing to show; set",
    ),
    Case(
        {"tensorboard": {"enabled": True, "ingress": {"enabled": True}}},
        "tensorboard.ingress.host: missing, so the Ingress would match every host; set",
    ),
    Case(
        {"tensorboard": {"enabled": True, "ingress": {"enabled": True, "host": "a.example.com"}}},
        "tensorboard.from: missing, so the network policy keeps the ingress controller out; set its pods",
    ),
    Case(
        {"metrics": {"enabled": True, "podMonitor": {"enabled": True}}},
        "metrics.from: missing, so the network policy keeps Prometheus out; set its pods",
    ),
    Case({"program": {"command": []}}, "program.command: missing; set the training command"),
    Case({"program": {"command": None}}, "program.command: missing; set the training command"),
    Case(
        {"program": {"files": {"a.py": ""}, "existingConfigMap": "mine"}},
        "program.existingConfigMap: set together with program.files, but both are mounted at /app; keep one",
    ),
    Case(
        {"program": {"files": {"a.py": "x" * 500_000, "b.py": "x" * 500_000}}},
        "program.files: 976 KiB in total, but a release has room for 900; put the program into the image",
    ),
    Case({"fullnameOverride": "1x"}, 'fullnameOverride: "1x" is not a valid Service name'),
    Case({"fullnameOverride": "x" * 43}, f'fullnameOverride: "{"x" * 43}" has 43 characters, but'),
    # Roles
    Case(
        _job("ParameterServer", chief=0),
        "chief.replicas: 0, but with strategy ParameterServer the chief runs the program; set",
    ),
    Case(
        _job("InGraph", chief=0), "chief.replicas: 0, but with strategy InGraph the chief runs the program; set chief"
    ),
    Case(
        _job("ParameterServer", worker=0),
        "worker.replicas: 0, but with strategy ParameterServer the workers execute the",
    ),
    Case(
        _job("ParameterServer", ps=0),
        "ps.replicas: 0, but strategy ParameterServer stores the variables on parameter",
    ),
    Case(_job("BetweenGraph", ps=0), "ps.replicas: 0, but strategy BetweenGraph stores the variables on parameter"),
    Case(
        _job("InGraph", worker=0, ps=0),
        "worker.replicas: 0 and no parameter servers, but with strategy InGraph they execute the chief's",
    ),
    Case(
        _job("MultiWorkerMirrored", ps=2),
        "ps.replicas: 2, but strategy MultiWorkerMirrored does not use parameter servers",
    ),
    Case(
        _job("BetweenGraph", worker=0),
        "ps.replicas: 1, but there is no chief or worker to use the parameter servers; set worker",
    ),
    Case(
        _job("Custom", worker=0, ps=2),
        "ps.replicas: 2, but there is no chief or worker to use the parameter servers; set worker",
    ),
    Case(_job("Custom", worker=0), "worker.replicas: 0 and no chief, so no task trains; set worker.replicas"),
    Case(
        _job("MultiWorkerMirrored", worker=0), "worker.replicas: 0 and no chief, so no task trains; set worker.replicas"
    ),
    # Success
    Case(
        {"strategy": "Custom", "completion": {"successPolicy": "Chief"}},
        "completion.successPolicy: Chief, but there is no chief; set chief.replicas: 1, or remove the policy",
    ),
    Case(
        {
            "strategy": "Custom",
            "chief": {"replicas": 1},
            "worker": {"replicas": 0},
            "completion": {"successPolicy": "AllWorkers"},
        },
        "completion.successPolicy: AllWorkers, but there is no worker; set worker.replicas to at least 1",
    ),
    Case(
        {"completion": {"successPolicy": "AllWorkers"}},
        "completion.successPolicy: AllWorkers, but with strategy ParameterServer the workers are servers that",
    ),
    Case(
        {"strategy": "InGraph", "completion": {"successPolicy": "Worker0"}},
        "completion.successPolicy: Worker0, but with strategy InGraph the workers are servers that never end",
    ),
    Case(
        {"worker": {"replicas": 5000}, "fullnameOverride": "mnist"},
        "worker.replicas: the addresses of all tasks make a TF_CONFIG of 154020 bytes, but Linux allows 131061; set",
    ),
    # Environment
    *(
        Case({"env": {name: "x"}}, f"env.{name}: set by the chart for every task; remove it, or rename the program's")
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
    Case({"worker": {"env": {"TF_CONFIG": "x"}}}, "worker.env.TF_CONFIG: set by the chart for every task"),
    Case(
        {"data": {"a": {**_CLAIM, "env": "TASK_TYPE"}}},
        "data.a.env: TASK_TYPE is set by the chart for every task; choose",
    ),
    Case(
        {"env": {"DATA": "/x"}, "data": {"a": {**_CLAIM, "env": "DATA"}}},
        "data.a.env: DATA is also in env; remove one of them",
    ),
    Case(
        {"data": {"a": {**_CLAIM, "env": "DATA"}, "b": {**_CLAIM, "mountPath": "/b", "env": "DATA"}}},
        "data.b.env: DATA is also the variable of data.a; choose another name",
    ),
    Case(
        {"worker": {"env": {"A": "$(B)", "B": "$(A)", "C": "$(A)"}}},
        "worker.env.A: A, B refer to each other in a circle; write one of them without $(…)",
    ),
    Case({"env": {"A": "$(B)", "B": "$(A)"}}, "env.A: A, B refer to each other in a circle; write"),
    # GPUs
    Case(
        {"worker": {"resources": {"limits": {"nvidia.com/gpu": 1}}}},
        "worker.gpus: 0, but its resources.limits have nvidia.com/gpu: 1; set only worker.gpus",
    ),
    Case(
        {"worker": {"gpus": 2, "resources": {"requests": {"nvidia.com/gpu": 1}}}},
        "worker.gpus: 2, but its resources.requests have nvidia.com/gpu: 1; set only worker.gpus",
    ),
    Case(
        {"ps": {"resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}},
        "ps.gpus: 0, but its resources.limits have nvidia.com/mig-1g.5gb: 1; set gpuResource: nvidia.com/mig-1g.5gb",
    ),
    # Volumes
    Case(
        {"data": {"a": {"mountPath": "/data"}}},
        "data.a: has neither existingClaim nor volume; set existingClaim, or a Kubernetes",
    ),
    Case(
        {"data": {"a": {**_CLAIM, "volume": {"emptyDir": {}}}}},
        "data.a: has both existingClaim and volume; keep one of them",
    ),
    Case(
        {"data": {"a": {**_CLAIM, "mountPath": "/checkpoints/"}}},
        "mountPath: /checkpoints is used by two volumes, checkpoints and data-a; change the path of one of them",
    ),
    Case(
        {"extraVolumes": [{"name": "state", "emptyDir": {}}]},
        "extraVolumes: two volumes are named state; rename yours",
    ),
    Case(
        {"extraVolumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]},
        "extraVolumeMounts: there is no volume scratch to mount at /scratch; add it to extraVolumes",
    ),
    Case(
        {"extraContainers": [{"name": "tensorflow", "image": "x"}]},
        'extraContainers: "tensorflow" is the name of the training container; rename yours',
    ),
    Case(
        {"ps": {"podSpec": {"volumes": [{"name": "state", "emptyDir": {}}]}}},
        "podSpec.volumes: two volumes are named state; rename yours",
    ),
    Case(
        {"container": {"volumeMounts": [{"name": "state", "mountPath": "/checkpoints/"}]}},
        "mountPath: /checkpoints is used by two volumes, checkpoints and state; change the path of one of them",
    ),
    Case(
        {"container": {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}},
        "container.volumeMounts: there is no volume scratch to mount at /scratch; add it to extraVolumes",
    ),
    Case(
        {"podSpec": {"initContainers": [{"name": "tensorflow", "image": "x"}]}},
        'podSpec.initContainers: "tensorflow" is the name of the training container; rename yours',
    ),
    Case(
        {"initContainers": [{"name": "checkpoint-folder", "image": "x"}]},
        'initContainers: "checkpoint-folder" is the name of a container of the chart; rename yours',
    ),
    Case(
        {"initContainers": [{"name": "lifecycle-python", "image": "x"}]},
        'initContainers: "lifecycle-python" is the name of a container of the chart; rename yours',
    ),
    Case(
        {"worker": {"pythonFrom": "LifecycleImage"}},
        "worker.pythonFrom: LifecycleImage, but with strategy ParameterServer the tasks need TensorFlow, and so the "
        "image's own Python; remove it, or use strategy Custom",
    ),
    # Programs of roles, podSpec and container
    Case(
        {"ps": {"program": {"args": ["--ps"]}}},
        "ps.program: with strategy ParameterServer the ps tasks are servers, which run no program; remove it, or",
    ),
    *(
        Case({part: {field: {}}}, f"{part}.{field}: not supported; {fix}")
        for part, fields in OWN_FIELDS.items()
        for field, fix in list(fields.items())[:2]
    ),
    Case({"worker": {"podSpec": {"hostPID": True}}}, "worker.podSpec.hostPID: not supported; remove it"),
    *(
        Case(
            values, f"volume {name}: a serviceAccountToken for the Kubernetes API, which training pods never get; name"
        )
        for name, values in (
            ("t", {"extraVolumes": [_token("t")]}),
            ("t", {"ps": {"podSpec": {"volumes": [_token("t", "https://kubernetes.default.svc")]}}}),
            ("data-t", {"data": {"t": {"mountPath": "/t", "volume": {"projected": _token("t")["projected"]}}}}),
        )
    ),
    # The rest
    *(
        Case(
            {"podLabels": {label: "x"}},
            f"podLabels: {label} is set by the chart to select its pods; remove it",
        )
        for label in ("tensorflow-job/role", "app.kubernetes.io/component")
    ),
    Case({"ps": {"podLabels": {"tensorflow-job/job": "x"}}}, "ps.podLabels: tensorflow-job/job is set by the chart"),
    Case(
        {"lifecycle": {"labels": {"tensorflow-job/job": "x"}}},
        "lifecycle.labels: tensorflow-job/job is set by the chart",
    ),
    Case(
        {"lifecycle": {"podLabels": {"tensorflow-job/job": "x"}}}, "lifecycle.podLabels: tensorflow-job/job is set by"
    ),
    Case(
        {"serviceAccount": {"create": False}},
        "serviceAccount.name: missing, but serviceAccount.create is false; set the name of an account with the",
    ),
    Case(
        {"env": {"A": "\x7f"}},
        "env: contains a control character or a byte order mark, which Helm cannot write as YAML; remove it",
    ),
    Case({"podAnnotations": {"a": "\ufeff"}}, "podAnnotations: contains a control character or a byte order mark"),
]

_NUMBER = "got string, want integer"

# What values.schema.json refuses, in Helm's words.
SCHEMA = [
    Case({"wrker": {}}, "at '': additional properties 'wrker' not allowed"),
    Case({"worker": {"replica": 2}}, "at '/worker': additional properties 'replica' not allowed"),
    Case({"cleanPodPolicy": "All"}, "at '': additional properties 'cleanPodPolicy' not allowed"),
    Case({"worker": {"replicas": -1}}, "at '/worker/replicas': minimum: got -1, want 0"),
    Case({"worker": {"replicas": 1.5}}, "at '/worker/replicas': got number, want integer"),
    Case({"worker": {"replicas": "2"}}, f"at '/worker/replicas': {_NUMBER}"),
    Case({"worker": {"replicas": 100_001}}, "at '/worker/replicas': maximum: got 100,001, want 100,000"),
    Case({"chief": {"replicas": 2}}, "at '/chief/replicas': maximum: got 2, want 1"),
    Case({"evaluator": {"replicas": 2}}, "at '/evaluator/replicas': maximum: got 2, want 1"),
    Case({"ps": {"gpus": -1}}, "at '/ps/gpus': minimum: got -1, want 0"),
    Case({"strategy": "parameterServer"}, "at '/strategy': value must be one of 'ParameterServer', 'BetweenGraph'"),
    Case({"strategy": None}, "at '': missing property 'strategy'"),
    Case(
        {"restart": {"policy": "Always"}}, "at '/restart/policy': value must be one of 'Never', 'OnFailure', 'ExitCode'"
    ),
    Case({"restart": {"retryableExitCodes": [0]}}, "at '/restart/retryableExitCodes/0': minimum: got 0, want 1"),
    Case({"restart": {"backoffLimit": -1}}, "at '/restart/backoffLimit': minimum: got -1, want 0"),
    Case(
        {"completion": {"successPolicy": "chief"}},
        "at '/completion/successPolicy': value must be one of 'Chief', 'Worker0'",
    ),
    Case(
        {"cleanup": {"onSuccess": "All"}}, "at '/cleanup/onSuccess': value must be one of 'Delete', 'Keep', 'KeepGPUs'"
    ),
    Case({"deadlines": {"activeSeconds": 0}}, "at '/deadlines/activeSeconds': minimum: got 0, want 1"),
    Case({"deadlines": {"activeSeconds": "1h"}}, "at '/deadlines/activeSeconds': got string, want null or integer"),
    Case({"terminationGracePeriodSeconds": 0}, "at '/terminationGracePeriodSeconds': minimum: got 0, want 1"),
    Case({"run": "2"}, f"at '/run': {_NUMBER}"),
    Case({"suspend": "yes"}, "at '/suspend': got string, want boolean"),
    Case({"program": {"command": "python3 train.py"}}, "at '/program/command': got string, want array"),
    Case({"program": {"args": ["--steps", 100]}}, "at '/program/args/1': got number, want string"),
    # --set-file program.files.train.py=… without the backslash
    Case({"program": {"files": {"train": {"py": "x"}}}}, "at '/program/files/train': got object, want null or string"),
    *(
        Case({"program": {"files": {name: "x"}}}, f"invalid propertyName '{name}'")
        for name in ("src/train.py", "..", "..train.py", "a b")
    ),
    Case(
        {"env": {"LEARNING_RATE": 0.1}},
        "at '/env/LEARNING_RATE': got number, want null or boolean or integer or string",
    ),
    Case({"env": {"BIG": 2**60}}, "at '/env/BIG': maximum: got"),
    Case({"env": {"A": {"secretKeyRef": {}}}}, "at '/env/A': additional properties 'secretKeyRef' not allowed"),
    Case({"env": {"1A": "x"}}, "invalid propertyName '1A'"),
    Case({"env": [{"name": "A", "value": "b"}]}, "at '/env': got array, want null or object"),
    Case({"image": {"tag": 2.16}}, "at '/image/tag': got number, want null or string"),
    Case(
        {"image": {"repository": "tensorflow/tensorflow:2.16.1"}},
        "at '/image/repository': 'tensorflow/tensorflow:2.16.1' does not",
    ),
    Case({"image": {"digest": "sha256:abc"}}, "at '/image/digest': 'sha256:abc' does not match pattern"),
    Case(
        {"image": {"pullPolicy": "always"}},
        "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    Case({"image": "tensorflow:2"}, "at '/image': got string, want object"),
    # The bug of the archived stable/distributed-tensorflow chart, now in values
    Case({"resources": {"request": {"cpu": 1}}}, "at '/resources': additional properties 'request' not allowed"),
    Case(
        {"worker": {"resources": {"limits": {"memory": "16Gx"}}}},
        "at '/worker/resources/limits/memory': '16Gx' does not match",
    ),
    Case(
        {"resources": {"limits": {"memory": "16 Gi"}}}, "at '/resources/limits/memory': '16 Gi' does not match pattern"
    ),
    Case({"resources": {"limits": {"cpu": -1}}}, "at '/resources/limits/cpu': minimum: got -1, want 0"),
    Case({"resources": {"limits": {"cpu": True}}}, "at '/resources/limits/cpu': got boolean, want"),
    Case({"shmSize": "8GB"}, "at '/shmSize': '8GB' does not match pattern"),
    Case({"checkpoint": {"size": "1T B"}}, "at '/checkpoint/size': '1T B' does not match pattern"),
    Case(
        {"checkpoint": {"mountPath": "checkpoints"}}, "at '/checkpoint/mountPath': 'checkpoints' does not match pattern"
    ),
    Case({"checkpoint": {"directory": "../other"}}, "at '/checkpoint/directory': '../other' does not match pattern"),
    Case(
        {"checkpoint": {"accessModes": ["RWX"]}}, "at '/checkpoint/accessModes/0': value must be one of 'ReadWriteMany'"
    ),
    Case({"checkpoint": {"accessModes": []}}, "at '/checkpoint/accessModes': minItems: got 0, want 1"),
    Case({"data": {"a": {"existingClaim": "c"}}}, "at '/data/a': missing property 'mountPath'"),
    Case({"data": {"Digits": _CLAIM}}, "invalid propertyName 'Digits'"),
    Case({"nodeSelector": {"gpu": True}}, "at '/nodeSelector/gpu': got boolean, want null or string"),
    Case({"podLabels": {"team": "a b"}}, "at '/podLabels/team': 'a b' does not match pattern"),
    Case({"tolerations": {"key": "a"}}, "at '/tolerations': got object, want null or array"),
    Case(
        {"topologySpreadConstraints": [{"maxSkew": 1}]},
        "at '/topologySpreadConstraints/0': missing properties 'topologyKey'",
    ),
    Case({"extraVolumes": [{"emptyDir": {}}]}, "at '/extraVolumes/0': missing property 'name'"),
    Case({"server": {"imports": ["a-b"]}}, "at '/server/imports/0': 'a-b' does not match pattern"),
    Case(
        {"networkPolicy": {"extraPeers": [{"podSelectr": {}}]}},
        "at '/networkPolicy/extraPeers/0': additional properties",
    ),
    Case({"fullnameOverride": 12}, "at '/fullnameOverride': got number, want string"),
    Case({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0': got string, want object"),
]
