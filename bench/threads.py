"""CPU of a training step with the threads of every core, of the limit, and of an affinity: prints a Markdown table.

    python -m bench.threads [--cpus N] [--cores N] [--turns N] [--quota]

A library that is put before libc makes TensorFlow believe in more cores than this machine has. `--quota` adds the same
programs under a real CFS quota of N CPUs; it needs root and a control group to write to. What is compared is CPU time,
not time. All programs are started at once, and take turns of 20 steps each: other work on the machine, which makes the
same step cost twice as much from one minute to the next, so meets all of them alike, and each is compared with the
first of its turn.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tfconfig.tensorflow_job.task import threads

from .markdown import table

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int shown(void) { return atoi(getenv("SHOWN_CORES")); }
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set) {
  memset(set, 0, size);
  for (int i = 0; i < shown() && i < (int)size * 8; i++) CPU_SET_S(i, size, set);
  return 0;
}
long sysconf(int name) {
  static long (*real)(int);
  if (!real) real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
  return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? shown() : real(name);
}
int get_nprocs(void) { return shown(); }
int get_nprocs_conf(void) { return shown(); }
"""

PROGRAM = r"""
import json, sys, time
import tensorflow as tf
layers = [tf.Variable(tf.random.normal((a, b), stddev=0.05)) for a, b in [(64, 512), (512, 512), (512, 10)]]
x, y = tf.random.normal((256, 64)), tf.random.uniform((256,), 0, 10, tf.int32)
data = iter(tf.data.Dataset.from_tensors((x, y)).repeat().map(lambda a, b: (a * 1.0, b), tf.data.AUTOTUNE).prefetch(2))
@tf.function
def step(a, b):
    with tf.GradientTape() as tape:
        hidden = a
        for layer in layers[:-1]:
            hidden = tf.nn.relu(hidden @ layer)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(b, hidden @ layers[-1]))
    for layer, slope in zip(layers, tape.gradient(loss, layers)):
        layer.assign_sub(0.01 * slope)
    return loss
def block():
    cpu, clock = time.process_time(), time.monotonic()
    for _ in range(20):
        step(*next(data))
    return (time.process_time() - cpu) / 20 * 1e3, (time.monotonic() - clock) / 20 * 1e3
for _ in range(5):
    block()
count = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("Threads"))
print(json.dumps({"threads": count}), flush=True)
for _ in sys.stdin:  # a line is a turn
    cpu, wall = block()
    print(json.dumps({"cpu": cpu, "wall": wall}), flush=True)
"""

SERVER = r"""
import json
import tensorflow as tf
server = tf.distribute.Server.create_local_server()
count = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("Threads"))
print(json.dumps({"server": count}))
"""

Figures = dict[str, float]
KINDS = ("affinity of the limit", "every core of the node", "variables from the limit")
WARM_TURNS = 5  # left out


class Program:
    """A process that takes turns."""

    def __init__(self, kind: str, source: str, shim: Path, cpus: int, cores: int, groups: list[Path]) -> None:
        environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            environ.pop(name, None)
        # What the kernel lets it have is the same for all: the limit.
        shown = cpus if kind == KINDS[0] else cores
        environ |= {"LD_PRELOAD": str(shim), "SHOWN_CORES": str(shown)}
        if kind == KINDS[2]:
            environ |= threads.for_limit(cpus)
        if groups:  # the process joins before it becomes Python: threads started later stay in the group
            joins = " ".join(f"echo $$ > {group};" for group in groups)
            command = ["sh", "-c", f'{joins} exec "$@"', "sh"]
        else:
            command = ["taskset", "-c", ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0))[:cpus])]
        command += [sys.executable, "-c", source]
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.first = self._answer()

    def turn(self) -> Figures:
        """One block of steps."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """No more turns."""
        self._process.communicate()

    def _answer(self) -> Figures:
        assert self._process.stdout
        figures: Figures = json.loads(self._process.stdout.readline())
        return figures


def main() -> int:
    """Measure in turns, and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.threads", description=__doc__)
    parser.add_argument("--cpus", type=int, default=1, help="the CPU limit")
    parser.add_argument("--cores", type=int, default=96, help="the cores that the node is said to have")
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--quota", action="store_true", help="under a real CFS quota, too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        shim, source = Path(folder, "cores.so"), Path(folder, "cores.c")
        source.write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
        for quota in [False, True] if options.quota else [False]:
            with contextlib.ExitStack() as stack:
                # A group for each: the debts of one must not stop another.
                groups = {kind: stack.enter_context(_quota(options.cpus)) if quota else [] for kind in KINDS}
                rows += _rows(shim, options, groups)
    print("\n".join(table("threads of | CPU per step | time per step | threads | of an idle server", rows)))
    return 0


def _rows(
    shim: Path, options: argparse.Namespace, groups: dict[str, list[Path]]
) -> list[tuple[str, str, str, int, int]]:
    servers = {}
    for kind in KINDS:
        server = Program(kind, SERVER, shim, options.cpus, options.cores, groups[kind])
        server.end()
        servers[kind] = server.first["server"]
    programs = {kind: Program(kind, PROGRAM, shim, options.cpus, options.cores, groups[kind]) for kind in KINDS}
    turns = [{kind: program.turn() for kind, program in programs.items()} for _ in range(WARM_TURNS + options.turns)]
    for program in programs.values():
        program.end()
    rows = []
    for kind, program in programs.items():
        cpu, wall = (statistics.median(turn[kind][key] for turn in turns[WARM_TURNS:]) for key in ("cpu", "wall"))
        more = statistics.median(turn[kind]["cpu"] / turn[KINDS[0]]["cpu"] for turn in turns[WARM_TURNS:]) - 1
        name = f"{kind}, {'CFS quota' if groups[kind] else 'no quota'}"
        rows.append(
            (name, f"{cpu:.2f} ms ({more:+.0%})", f"{wall:.2f} ms", int(program.first["threads"]), int(servers[kind]))
        )
    return rows


@contextlib.contextmanager
def _quota(cpus: int) -> Iterator[list[Path]]:
    """A control group that may use so many CPUs: the files to write a process id to."""
    first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    group = Path(tempfile.mkdtemp(prefix="bench-threads-", dir=first if first.is_dir() else second))
    try:
        if first.is_dir():
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text(str(cpus * 100000))
        else:
            (group / "cpu.max").write_text(f"{cpus * 100000} 100000")
        yield [group / "cgroup.procs"]
    finally:
        group.rmdir()


if __name__ == "__main__":
    sys.exit(main())
