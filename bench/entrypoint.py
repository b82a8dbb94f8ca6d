"""What the entrypoint costs in each pod: time and memory before the program starts and while it runs, and throughput.

Measured as processes of this machine, always in turns with the program on its own. As in a pod the entrypoint's files
cannot be cached as bytecode: the volume that they come in is read-only.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.values.job_spec import job
from tfconfig.values.load import load

from .jobs import roles
from .lab import say
from .measure import ROOT, Results

PROGRAM = ROOT / "chart/files/task"
DIGITS = ROOT / "examples/digits"
STARTS = 40
PASSED_BYTES = 1_000_000_000
PASSES = 60
ROUNDS = 4
STEPS = 2500
WARM_UP = 300

# Prints when it starts, and the peak memory of its parent until then.
PROBE = ["sh", "-c", 'date +%s%N; grep VmHWM "/proc/$PPID/status"; exit 0']

# A program that begins when a file is there, with what takes long done before.
GATED = """
import os, runpy, sys, time, tensorflow
gate, *sys.argv = sys.argv[1:]
print("ready")
while not os.path.exists(gate):
    time.sleep(0.01)
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# How people write a server's program.
SERVER = """
import json, os, tensorflow as tf
config = json.loads(os.environ["TF_CONFIG"])
cluster, task = tf.train.ClusterSpec(config["cluster"]), config["task"]
tf.distribute.Server(cluster, job_name=task["type"], task_index=task["index"]).join()
"""


def measure(results: Results) -> None:
    """All of it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        # A copy of its own: the repository's has bytecode beside it.
        files = Path(folder, "tensorflow_job/task")
        shutil.copytree(PROGRAM, files, ignore=shutil.ignore_patterns("__pycache__"))
        for tasks in (10, 5000):
            _start(results, files, Path(folder), tasks)
        _running(results, files, Path(folder))
        _output(results, files, Path(folder))
        _steps(results, files, Path(folder))


class _Task:
    """How a task's pod starts a program through the entrypoint, and how the program would be started without."""

    def __init__(self, files: Path, folder: Path, spec: JobSpec, role: str = "worker", index: int = 0) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        (self.folder / "job.json").write_text(json.dumps(spec))
        # With -S, and without bytecode, as in the chart.
        self.through = [sys.executable, "-S", str(files), "run", f"--role={role}", f"--index={index}"]
        self.through += [f"--run-id={spec['runId']}", "--grace=30", f"--config={self.folder}", f"--state={self.folder}"]
        self.through += [f"--message={self.folder / 'message'}"]
        self.environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def _job(command: list[str], tasks: int = 3) -> JobSpec:
    """job.json of a job whose first worker, which leads it, runs this command."""
    ps = roles(tasks)["ps"]
    return _spec(command, {"worker": tasks - ps, "ps": ps}, strategy="Custom")


def _spec(command: list[str], replicas: Mapping[str, int], **values: Any) -> JobSpec:
    """job.json, as the tool computes it."""
    values |= {"program": {"command": command}, "checkpoint": {"enabled": False}}
    values |= {role: {"replicas": count} for role, count in replicas.items()}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(yaml.safe_dump(values))
        file.flush()
        loaded = load([file.name])
    return job(loaded.data, "j", loaded.chart.strategies)


def _start(results: Results, files: Path, folder: Path, tasks: int) -> None:
    """From the start of the container's process to that of the program."""
    say(f"the start of a program in a job of {tasks} tasks")
    task = _Task(files, folder, _job(PROBE, tasks))
    seconds: dict[bool, list[float]] = {True: [], False: []}
    cpu = {True: 0.0, False: 0.0}
    peaks = []
    for _ in range(STARTS):
        for through in (True, False):
            used, began = _cpu_of_children(), time.time_ns()
            command = task.through if through else PROBE
            done = subprocess.run(command, env=task.environ, capture_output=True, text=True, check=True)
            started, _, memory = done.stdout.partition("\n")
            seconds[through].append((int(started) - began) / 1e9)
            cpu[through] += _cpu_of_children() - used
            if through:
                peaks.append(int(memory.split()[1]) / 1024)
            (task.folder / "done.json").unlink(missing_ok=True)
    results.add(
        "start",
        tasks=tasks,
        milliseconds=1000 * (statistics.median(seconds[True]) - statistics.median(seconds[False])),
        least=1000 * (min(seconds[True]) - min(seconds[False])),
        direct=1000 * statistics.median(seconds[False]),
        cpu=1000 * (cpu[True] - cpu[False]) / STARTS,
        peak=max(peaks),
    )


def _cpu_of_children() -> float:
    """CPU seconds of all that has ended: what else the machine does hardly shows in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _running(results: Results, files: Path, folder: Path) -> None:
    """Memory of the entrypoint while its program runs, and of one that waits after its end."""
    for kind in ("running", "parked"):
        task = _Task(files, folder, _job(["sleep", "60"]))
        if kind == "parked":
            (task.folder / "done.json").write_text('{"code": 0, "why": "its program exited 0"}')
        process = subprocess.Popen(task.through, env=task.environ, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        process.stderr.readline()  # "worker-0 runs sleep 60", or "worker-0 is done"
        if kind == "running":
            while "sleep" not in (children := _children(process.pid)):
                time.sleep(0.01)
        memory = _memory(process.pid)
        if kind == "running":  # beside the program: the process that sees its progress
            memory["watching"] = sum(_memory(pid)["private"] for name, pid in children.items() if name != "sleep")
        process.send_signal(signal.SIGTERM)
        process.wait()
        process.stderr.close()
        results.add(kind, **memory)


def _children(pid: int) -> dict[str, int]:
    """The names of a process's children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {Path(f"/proc/{child}/comm").read_text().strip(): int(child) for child in children}


def _memory(pid: int) -> dict[str, float]:
    """MiB that are resident, and of these what no other process shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    size = {key: int(value) / 1024 for key, value in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
    return {"resident": size["Rss"], "private": size["Private_Clean"] + size["Private_Dirty"]}


def _output(results: Results, files: Path, folder: Path) -> None:
    """What a program prints on its way to whoever reads it, in a task whose output nobody looks at."""
    say("output passed on")
    command = ["head", "--bytes", str(PASSED_BYTES), "/dev/zero"]
    spec = _job(command)
    spec["addresses"] = _addresses(spec["replicas"])  # it waits until the name of worker-0 is found
    task = _Task(files, folder, spec, index=1)
    rates: dict[bool, list[float]] = {True: [], False: []}
    cores = os.sched_getaffinity(0)
    writer, reader = min(cores), max(cores)  # otherwise the rate is that of where the kernel happens to put them
    os.sched_setaffinity(0, {reader})
    for number in range(PASSES):
        for through in (True, False) if number % 2 else (False, True):
            process = subprocess.Popen(
                ["taskset", "--cpu-list", str(writer), *(task.through if through else command)],
                env=task.environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
            assert process.stdout
            process.stdout.read(1)  # its start is measured elsewhere
            began, size = time.monotonic(), 1
            while piece := process.stdout.read(1 << 20):
                size += len(piece)
            rates[through].append(size / 1e6 / (time.monotonic() - began))
            process.stdout.close()
            process.wait()
            assert size == PASSED_BYTES
            (task.folder / "done.json").unlink(missing_ok=True)
    os.sched_setaffinity(0, cores)
    with_, without = (statistics.median(rates[through]) for through in (True, False))
    pairs = [ours / other for ours, other in zip(rates[True], rates[False], strict=True)]
    error = statistics.stdev(pairs) / len(pairs) ** 0.5
    results.add("output", with_entrypoint=with_, without=without, ratio=statistics.median(pairs), error=error)


def _steps(results: Results, files: Path, folder: Path) -> None:
    """The digits example on a chief, two workers and two parameter servers, with the entrypoint and without.

    Both at the same time, so that whatever else the machine does meets both; compared over the time in which both run.
    Both begin at the same moment: of two that share a machine, the older one is a little ahead all the time.
    """
    say("the digits example, with and without the entrypoint at the same time")
    done, seconds, ratios = {True: 0.0, False: 0.0}, 0.0, []
    for number in range(ROUNDS):
        order = (True, False) if number % 2 else (False, True)
        gate = Path(tempfile.mkdtemp(dir=folder), "gate")
        trainings = {through: _Training(files, folder, through, gate) for through in order}
        while not all(training.ready for training in trainings.values()):
            time.sleep(0.05)
        gate.touch()
        codes = [training.wait() for training in trainings.values()]  # all of them, also when one has failed
        if any(codes):
            raise RuntimeError(f"the digits example ended with {max(codes, key=abs)}")
        begin = max(training.time_of(WARM_UP) for training in trainings.values())
        end = min(training.time_of(STEPS) for training in trainings.values())
        if end <= begin:
            raise RuntimeError("one training was over before the other had begun: STEPS must be more on this machine")
        steps = {through: training.steps_at(end) - training.steps_at(begin) for through, training in trainings.items()}
        ratios.append(steps[True] / steps[False])
        for through in order:
            done[through] += steps[through]
        seconds += end - begin
    with_, without = (done[through] / seconds for through in (True, False))
    error = statistics.stdev(ratios) / len(ratios) ** 0.5
    results.add("steps", with_entrypoint=with_, without=without, ratio=with_ / without, error=error, rounds=ROUNDS)


class _Training:
    """One training, as processes: all tasks through the entrypoint, or none."""

    def __init__(self, files: Path, folder: Path, through: bool, gate: Path) -> None:
        """Start all tasks; the chief's program begins when `gate` exists."""
        program = [sys.executable, "-u", "-c", GATED, str(gate)]
        program += [str(DIGITS / "train.py"), f"--steps={STEPS}", "--round=20"]
        self.ready = False
        replicas = {"chief": 1, "worker": 2, "ps": 2}
        spec = _spec(program, replicas)
        spec["addresses"] = _addresses(replicas)
        self._lines: list[tuple[float, int]] = []
        self._servers: list[subprocess.Popen[bytes]] = []
        for role, count in replicas.items():
            for index in range(count):
                task = _Task(files, folder, spec, role, index)
                command = task.through
                environ = {**task.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
                if not through:
                    command = program if role == "chief" else [sys.executable, "-c", SERVER]
                    environ |= job_spec.environment(spec, job_spec.Task(role, index))
                if role == "chief":
                    self._chief = threading.Thread(target=self._lead, args=(command, environ))
                    self._chief.start()
                else:
                    self._servers.append(subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL))

    def wait(self) -> int:
        """Wait for the chief's end, and stop the servers; the chief's exit status."""
        self._chief.join()
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait()
        return self._code

    def time_of(self, step: int) -> float:
        """When this many steps were done."""
        return next(when for when, steps in self._lines if steps >= step)

    def steps_at(self, when: float) -> float:
        """How many steps were done then, interpolated between the lines before and after."""
        after = next(number for number, (printed, _) in enumerate(self._lines) if printed >= when)
        (began, low), (ended, high) = self._lines[after - 1], self._lines[after]
        return low + (high - low) * (when - began) / (ended - began)

    def _lead(self, command: list[str], environ: Mapping[str, str]) -> None:
        chief = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert chief.stdout
        for line in chief.stdout:
            self.ready = True
            if match := re.match(r"step (\d+) of", line):
                self._lines.append((time.monotonic(), int(match[1])))
        self._code = chief.wait()
        self.ready = True  # also when it failed before: `wait` returns its status


def _addresses(replicas: Mapping[str, int]) -> dict[str, list[str]]:
    sockets = {role: [socket.create_server(("127.0.0.1", 0)) for _ in range(n)] for role, n in replicas.items()}
    table = {role: [f"127.0.0.1:{listener.getsockname()[1]}" for listener in some] for role, some in sockets.items()}
    for some in sockets.values():
        for listener in some:
            listener.close()
    return table
