"""Steps a second of the digits example with us and without us, side by side: prints a Markdown table.

    python -m bench.throughput [--rounds N] [--pods]

Without us means: the same program and TensorFlow servers of three lines, started by hand with a TF_CONFIG written by
hand. `--pods` compares a release of the chart with pods written by hand, on the cluster of tests/cluster; without it
`tfconfig run` is compared with processes of this machine. Both kinds take turns, so that other work on the machine
meets both; the rate is that between the first and the last rounds of the training, so neither start nor end counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import yaml

from hack.cluster import target

from .entrypoint import DIGITS
from .measure import ROOT

WORKERS, SERVERS = 2, 2
FIRST, LAST = 500, 2500  # the steps between which the rate is taken
ARGUMENTS = [f"--steps={LAST}", "--save-every=100000"]
SERVER = """
import tensorflow as tf
found = tf.distribute.cluster_resolver.TFConfigClusterResolver()
tf.distribute.Server(found.cluster_spec(), job_name=found.task_type, task_index=found.task_id).join()
"""
TASKS = [*(("ps", index) for index in range(SERVERS)), *(("worker", index) for index in range(WORKERS)), ("chief", 0)]
ENVIRONMENT = {"GRPC_FAIL_FAST": "use_caller", "TF_CPP_MIN_LOG_LEVEL": "1", "CUDA_VISIBLE_DEVICES": "-1"}

Line = tuple[float, str]


def rate(lines: Iterator[Line]) -> float:
    """Steps a second between FIRST and LAST, of lines with the second they came."""
    times: dict[int, float] = {}
    for when, line in lines:
        if match := re.search(r"step (\d+) of \d+: loss", line):
            times[int(match[1])] = when
    return (LAST - FIRST) / (times[LAST] - times[FIRST])


def read(process: subprocess.Popen[str]) -> Iterator[Line]:
    """The lines of a process as they come."""
    assert process.stdout
    for line in process.stdout:
        yield time.monotonic(), line


@contextmanager
def process(command: list[str], environ: dict[str, str], show: bool = True) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone afterwards."""
    out = subprocess.PIPE if show else subprocess.DEVNULL
    started = subprocess.Popen(
        command, cwd=DIGITS, env={**os.environ, **environ}, stdout=out, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        if started.stdout:
            started.stdout.close()


def processes_by_tool() -> float:
    """The job under `tfconfig run`."""
    options = ["--python", sys.executable, "--set-json", f"program.args={json.dumps(ARGUMENTS)}"]
    command = [sys.executable, "-m", "tfconfig", "run", "-f", str(DIGITS / "values.yaml"), *options]
    with (
        tempfile.TemporaryDirectory() as folder,
        process([*command, "--checkpoint", folder], {"PYTHONPATH": str(ROOT)}) as run,
    ):
        return rate(read(run))


def processes_by_hand() -> float:
    """The same processes without us."""
    spec: dict[str, list[str]] = {}
    for number, (role, _) in enumerate(TASKS):
        spec.setdefault(role, []).append(f"127.0.0.1:{12200 + number}")
    with tempfile.TemporaryDirectory() as folder:

        def start(role: str, index: int) -> Any:
            config = json.dumps({"cluster": spec, "task": {"type": role, "index": index}})
            command = [sys.executable, "train.py", *ARGUMENTS] if role == "chief" else [sys.executable, "-c", SERVER]
            environ = {**ENVIRONMENT, "TF_CONFIG": config, "CHECKPOINT_DIR": folder}
            return process(command, environ, show=role == "chief")

        with start(*TASKS[0]), start(*TASKS[1]), start(*TASKS[2]), start(*TASKS[3]), start(*TASKS[4]) as chief:
            return rate(read(chief))


class Pods:
    """Both kinds of pods in a namespace of the test cluster, which is removed at the end."""

    namespace = "throughput"

    def __init__(self) -> None:
        self._target = target.find()
        self._done("kubectl", "create", "namespace", self.namespace)

    def close(self) -> None:
        """Remove everything."""
        self._done("kubectl", "delete", "namespace", self.namespace)

    def by_chart(self) -> float:
        """A release of the chart."""
        repository, _, tag = self._target.tensorflow_image.rpartition(":")
        small, _, small_tag = self._target.python_image.rpartition(":")
        values = {
            **yaml.safe_load((DIGITS / "values.yaml").read_text()),
            "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
            "program": {
                "command": ["python3", "train.py"],
                "args": ARGUMENTS,
                "files": {"train.py": (DIGITS / "train.py").read_text()},
            },
            "resources": {"requests": {"cpu": "100m"}},
            "checkpoint": {"enabled": False},
            "lifecycle": {"image": {"repository": small, "tag": small_tag}},
        }
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            file.flush()
            self._done("helm3", "install", "job", str(ROOT / "chart"), "-f", file.name, "-n", self.namespace)
        try:
            return rate(self._log("job-chief-0"))
        finally:
            self._done("helm3", "uninstall", "job", "-n", self.namespace, "--wait")

    def by_hand(self) -> float:
        """A headless Service and five pods."""
        names = {task: "hand-{}-{}".format(*task) for task in TASKS}
        spec: dict[str, list[str]] = {}
        for task, name in names.items():
            spec.setdefault(task[0], []).append(f"{name}.hand:2222")
        service = {"clusterIP": "None", "selector": {"job": "hand"}, "publishNotReadyAddresses": True}
        objects: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hand"}, "spec": service}
        ]
        program = (DIGITS / "train.py").read_text()
        for (role, index), name in names.items():
            config = json.dumps({"cluster": spec, "task": {"type": role, "index": index}})
            environ = {**ENVIRONMENT, "TF_CONFIG": config}
            container = {
                "name": "tensorflow",
                "image": self._target.tensorflow_image,
                "command": ["python3", "-c", program if role == "chief" else SERVER],
                "args": ARGUMENTS if role == "chief" else [],
                "env": [{"name": key, "value": text.replace("$", "$$")} for key, text in environ.items()],
                "resources": {"requests": {"cpu": "100m"}},
            }
            pod = {
                "restartPolicy": "Never",
                "hostname": name,
                "subdomain": "hand",
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
            }
            labels = {"name": name, "labels": {"job": "hand"}}
            objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": labels, "spec": pod})
        text = yaml.safe_dump_all(objects)
        self._done("kubectl", "apply", "-n", self.namespace, "-f", "-", text=text)
        try:
            return rate(self._log("hand-chief-0"))
        finally:
            self._done("kubectl", "delete", "-n", self.namespace, "--wait", "-f", "-", text=text)

    def _log(self, pod: str) -> Iterator[Line]:
        self._done("kubectl", "wait", "-n", self.namespace, "--for=create", f"pod/{pod}", "--timeout=60s")
        ready = "jsonpath={.status.containerStatuses[0].started}=true"
        self._done("kubectl", "wait", "-n", self.namespace, f"--for={ready}", f"pod/{pod}", "--timeout=120s")
        follow = self._done("kubectl", "logs", "-n", self.namespace, "-f", "--timestamps", "-c", "tensorflow", pod)
        for line in follow.splitlines():
            when, _, rest = line.partition(" ")
            yield datetime.fromisoformat(f"{when[:26]}+00:00").timestamp(), rest

    def _done(self, *command: str, text: str | None = None) -> str:
        result = subprocess.run(
            command, env=self._target.environ, input=text, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {result.returncode}: {result.stderr}")
        return result.stdout


def compare(ours: Callable[[], float], by_hand: Callable[[], float], rounds: int) -> None:
    """Take turns, and print the rates of both."""
    print("\n| | with us, steps/s | by hand, steps/s | ratio |\n|---|---|---|---|")
    both: list[tuple[float, float]] = []
    for number in range(rounds):
        # Each goes first every other time.
        first, second = (ours, by_hand) if number % 2 == 0 else (by_hand, ours)
        first_rate, second_rate = first(), second()
        both.append((first_rate, second_rate) if number % 2 == 0 else (second_rate, first_rate))
        print(f"| {number + 1} | {both[-1][0]:.1f} | {both[-1][1]:.1f} | {both[-1][0] / both[-1][1]:.3f} |", flush=True)
    with_us, without = (statistics.median(rates) for rates in zip(*both, strict=True))
    print(f"| median | {with_us:.1f} | {without:.1f} | {with_us / without:.3f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pods", action="store_true")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}")
    if not options.pods:
        compare(processes_by_tool, processes_by_hand, options.rounds)
        return
    pods = Pods()
    try:
        compare(pods.by_chart, pods.by_hand, options.rounds)
    finally:
        pods.close()


if __name__ == "__main__":
    main()
