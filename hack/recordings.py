"""Writes docs/recordings.md: what a terminal shows, by real commands; each call replaces its own section.

`python -m hack.recordings cluster NAMESPACE --set image.repository=python --set image.tag=3.11-slim`: in the cluster
that kubectl leads to; --set is for helm, which must be on PATH, as kubectl. `python -m hack.recordings local`: on this
machine, with a Python that has TensorFlow.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "recordings.md"
TRAIN = """import os, signal, sys, time
if os.environ["TASK_INDEX"] == "0":
    for step in range(1, 21):
        print("step", step, "of 1000", flush=True)
        time.sleep(1)
    open("/checkpoints/shard-7.tfrecord")
def save(*_):
    print("saving, this takes 20 s", flush=True)
    time.sleep(20)
    sys.exit()
signal.signal(signal.SIGTERM, save)
time.sleep(600)
"""
VALUES = {
    "strategy": "Custom",
    "worker": {"replicas": 2},
    "program": {"command": ["python3", "train.py"], "files": {"train.py": TRAIN}},
    "checkpoint": {"enabled": False},
    "restart": {"policy": "Never"},
}
COMMANDS = ("tfconfig wait digits", "tfconfig status digits", "tfconfig status")
FAILURE = """## Why a job failed, in one command

Of two workers the first one fails; the second one takes 20 seconds to save before it ends. `tfconfig wait` does not
wait for that.
"""
# `fit` as anybody writes it, long enough for several lines of progress.
FIT = """import numpy, tensorflow as tf

x = numpy.random.default_rng(0).normal(size=(100000, 64)).astype("float32")
y = (x[:, :8].sum(1) > 0).astype("float32")
layers = [tf.keras.layers.Dense(64, "relu"), tf.keras.layers.Dense(1, "sigmoid")]
model = tf.keras.Sequential(layers)
model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=16, epochs=10, validation_split=0.1)
"""
FIT_VALUES = """strategy: Custom
worker: {replicas: 1}
program:
  command: [python3, train.py]
env: {TF_CPP_MIN_LOG_LEVEL: "3", TF_ENABLE_ONEDNN_OPTS: "0"}  # without what TensorFlow prints of itself
checkpoint: {enabled: false}
restart: {policy: Never}  # nothing to resume from
"""
PROGRESS = """## How far a Keras program is, without a line of code for it

`train.py` has `model.fit` and nothing else; the progress is read from the bars that Keras prints. Recorded without a
terminal: a line of progress at the first step and every 30 seconds, Keras' bars when they are complete. On a terminal
`tfconfig run` draws a bar of its own.

`train.py`:

```python
FIT```

`values.yaml`:

```yaml
VALUES```
"""


def main(arguments: list[str]) -> None:
    """Record one of the two, and write its section."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("local")
    cluster = kinds.add_parser("cluster")
    cluster.add_argument("namespace")
    cluster.add_argument("--set", action="append", default=[], help="for helm, as image.repository=…")
    options = parser.parse_args(arguments)
    if options.kind == "local":
        _write(PROGRESS.replace("FIT", FIT).replace("VALUES", FIT_VALUES), _fit())
    else:
        _write(FAILURE, _failure(options.namespace, options.set))


def _fit() -> str:
    """A job of one worker on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "values.yaml").write_text(FIT_VALUES)
        Path(folder, "train.py").write_text(FIT)
        bin_folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": bin_folder}
        command = "tfconfig run values.yaml"
        return f"$ {command}\n{_printed(command, [], environ, folder)}"


def _failure(namespace: str, pairs: list[str]) -> str:
    """A job that fails, in a cluster: install it, run the commands, uninstall."""
    place = ["--namespace", namespace]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    with tempfile.TemporaryDirectory() as folder:
        values = Path(folder, "values.yaml")
        values.write_text(yaml.safe_dump(VALUES))
        sets = [word for pair in pairs for word in ("--set-string", pair)]
        chart = [str(ROOT / "chart"), "-f", str(values), *sets]
        subprocess.run(["helm", "install", "digits", *chart, *place, "--create-namespace"], check=True)
    try:
        return "\n".join(f"$ {command}\n{_printed(command, place, environ)}" for command in COMMANDS)
    finally:
        subprocess.run(["helm", "uninstall", "digits", *place], check=True)


def _write(about: str, shown: str) -> None:
    """Replace the section with this heading, or add it."""
    head, *sections = PAGE.read_text("utf-8").split("\n## ")
    new = f"{about}\n```console\n{shown}```\n".removeprefix("## ")
    title = new.partition("\n")[0]
    kept = [new if section.startswith(title) else section for section in sections]
    PAGE.write_text("\n## ".join([head, *kept, *([] if new in kept else [new])]), "utf-8")


def _printed(command: str, place: list[str], environ: dict[str, str], folder: str | None = None) -> str:
    arguments = [sys.executable, "-m", *command.split(), *place]
    return subprocess.run(arguments, env=environ, cwd=folder, stdout=subprocess.PIPE, text=True, check=False).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
