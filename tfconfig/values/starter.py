"""A values file to start from, with comments for its first reader."""

from __future__ import annotations

_WORKERS = "worker:\n  replicas: 2\n  # gpus: 1  # of each worker\n"
_SERVERS = "\nps:\n  replicas: 1\n"
# Strategy -> what it is, and the roles of a first file.
STRATEGIES = {
    "ParameterServer": (
        "The chief runs the program; workers compute, parameter servers store the variables (TF2).",
        _WORKERS + _SERVERS,
    ),
    "BetweenGraph": (
        "Every worker runs the program; parameter servers store the variables (TF1). The success of worker 0 counts.",
        _WORKERS + _SERVERS,
    ),
    "InGraph": (
        "The chief runs the program, one graph over all tasks; workers and parameter servers execute it (TF1).",
        _WORKERS + _SERVERS,
    ),
    "MultiWorkerMirrored": (
        "Every worker runs the program, and the workers exchange gradients directly: no parameter servers.",
        _WORKERS,
    ),
    "Custom": (
        "Every task runs the program, which reads its role from TF_CONFIG and starts its own server, as with TFJob.",
        "chief:\n  replicas: 1  # its success is the job's\n\n" + _WORKERS + _SERVERS,
    ),
}
_KERAS = """\
# With Keras 3, model.fit fails under this strategy, and a custom training loop works. With tf-keras (Keras 2) in the
# image and TF_USE_LEGACY_KERAS: "1" in env, both work: docs/keras.md has which TensorFlow and Keras does what.
"""
_TEMPLATE = """\
# A {strategy} job. {about}
#
#   tfconfig validate {file}   check this file, without a cluster
#   tfconfig run -f {file}     run the job on this machine
#   helm install NAME "$(tfconfig chart)" -f {file}
#
# Editors check and complete this file after `tfconfig schema > values.schema.json`, if its first line is
# `# yaml-language-server: $schema=values.schema.json`. The chart's README.md describes all values.
strategy: {strategy}

image:  # with TensorFlow and everything that the program imports
  repository: registry.example.com/team/train
  tag: "1.0"  # a new one for each build: with `latest`, tasks may run different programs

program:
  command: [python3, train.py]  # one word per element; no shell syntax
  args: []  # $(NAME) is replaced by the value of the variable NAME

env: {{}}  # NAME: "text", in which $(NAME) is replaced too. The chart sets TF_CONFIG and CHECKPOINT_DIR
{keras}
{roles}
# evaluator:
#   replicas: 1

resources:  # of every task; a role can override them
  requests: {{cpu: "2", memory: 4Gi}}
  limits: {{memory: 4Gi}}

checkpoint:  # a volume for all tasks; the program saves to CHECKPOINT_DIR and resumes from there
  size: 10Gi
  accessModes: [ReadWriteMany]  # the tasks are on several nodes
  # storageClassName: nfs  # the default of the cluster may not support ReadWriteMany
  # or, instead of these: existingClaim: my-claim

# data:  # volumes to read from
#   images: {{mountPath: /data, existingClaim: images}}

restart:
  backoffLimit: 6  # failures tolerated; each restart continues from the checkpoint
"""


def starter(strategy: str, file: str = "values.yaml") -> str:
    """The text of a first values file. `file`: its name, for the commands in its comments."""
    about, roles = STRATEGIES[strategy]
    keras = _KERAS if strategy in ("ParameterServer", "MultiWorkerMirrored") else ""
    return _TEMPLATE.format(strategy=strategy, about=about, roles=roles, file=file, keras=keras)
