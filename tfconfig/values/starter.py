"""A values file and a program to start from, with comments for their first reader."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from tfconfig.values import image_reference

PLACEHOLDER = "registry.example.com/replace-me"  # validate refuses it
KERAS_STRATEGIES = ("ParameterServer", "MultiWorkerMirrored")
_NEW_TAG = "  # a new one for each build: with `latest`, tasks may run different programs"
_PROGRAMS = Path(__file__).resolve().parents[1] / "starters"

_WORKERS = "worker:\n  replicas: 2\n  {gpus}  # of each worker\n"
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
_LEGACY = """\
env:  # NAME: "text", in which $(NAME) is replaced too. The chart sets TF_CONFIG and CHECKPOINT_DIR
  TF_USE_LEGACY_KERAS: "1"  # fit fails with Keras 3 under this strategy; the image needs tf-keras: docs/keras.md
"""
_ENV = """\
env: {}  # NAME: "text", in which $(NAME) is replaced too. The chart sets TF_CONFIG and CHECKPOINT_DIR
"""
_KERAS = """\
# With Keras 3, model.fit fails under this strategy, and a custom training loop works. With tf-keras (Keras 2) in the
# image and TF_USE_LEGACY_KERAS: "1" in env, both work: docs/keras.md has which TensorFlow and Keras does what.
"""
_TEMPLATE = """\
# A {strategy} job. {about}
#
#   tfconfig validate {file}   check this file, without a cluster
#   tfconfig run {file}        run the job on this machine
#   helm install NAME "$(tfconfig chart)" -f {file}{set_file} && tfconfig wait NAME
#
# Editors check and complete this file after `tfconfig schema > values.schema.json`, if its first line is
# `# yaml-language-server: $schema=values.schema.json`. The chart's README.md describes all values.
strategy: {strategy}

image:  # with TensorFlow and everything that the program imports
  repository: {repository}{replace}
  {version}

program:
  command: [python3, {script}]  # one word per element; no shell syntax
  args: []  # $(NAME) is replaced by the value of the variable NAME

{env}
{roles}
# evaluator:
#   replicas: 1

resources:  # of every task; a role can override them
  requests: {{cpu: "1", memory: 2Gi}}
  limits: {{memory: 2Gi}}

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


@dataclass(frozen=True)
class Choices:
    """What `tfconfig init` is asked for."""

    strategy: str
    keras: bool = False  # Keras' fit, rather than a loop of the program's own
    gpus: int = 0
    image: str = ""
    script: str = "train.py"


def as_argument(file: str) -> str:
    """The file's name as a word for a shell, which no program takes for an option."""
    return shlex.quote(f"./{file}" if file.startswith("-") else file)


def starter(choices: Choices, file: str = "values.yaml") -> str:
    """The text of a first values file. `file`: its name, for the commands in its comments."""
    about, roles = STRATEGIES[choices.strategy]
    image = choices.image or f"{PLACEHOLDER}:1.0"
    repository, tag, digest = image_reference.parse(image) or (image, "", "")
    env = _LEGACY if choices.keras else _ENV + (_KERAS if choices.strategy in KERAS_STRATEGIES else "")
    escaped = choices.script.replace(".", "\\.")
    return _TEMPLATE.format(
        strategy=choices.strategy,
        about=about,
        roles=roles.format(gpus=f"gpus: {choices.gpus}" if choices.gpus else "# gpus: 1"),
        file=as_argument(file),
        env=env,
        repository=json.dumps(repository),  # 123 is one, too
        replace="  # replace this" if not choices.image else "",
        version=f"digest: {digest}" if digest else f"tag: {json.dumps(tag or 'latest')}{_NEW_TAG}",
        script=choices.script,
        set_file=f" --set-file 'program.files.{escaped}={choices.script}'",
    )


def program(choices: Choices) -> str:
    """The text of a first program: it trains, saves and resumes, with TensorFlow alone."""
    return (_PROGRAMS / f"{choices.strategy}-{'keras' if choices.keras else 'loop'}.py").read_text("utf-8")
