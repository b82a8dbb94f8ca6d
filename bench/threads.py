"""CPU of a training step with the threads of every core, of the limit, and of an affinity: prints a Markdown table.

    python -m bench.threads [--cpus N] [--cores N] [--rounds N] [--steps N] [--quota]

A library that is put before libc makes TensorFlow believe in more cores than this machine has. `--quota` adds the same
programs under a real CFS quota of N CPUs; it needs root and a control group to write to. All kinds take turns, so that
other work on the machine meets all of them; what is compared is CPU time, not time, and of each program the best tenth
of its steps (the 10th percentile of 20 in a row), for the same reason.
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
steps = int(sys.argv[1])
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
for _ in range(50):
    step(*next(data))
blocks = []
for _ in range(steps // 20):
    cpu, clock = time.process_time(), time.monotonic()
    for _ in range(20):
        step(*next(data))
    blocks.append(((time.process_time() - cpu) / 20 * 1e3, (time.monotonic() - clock) / 20 * 1e3))
# A tenth of the blocks is better: what other work on the machine does to caches and shared cores makes the rest worse.
spent = {key: sorted(values)[len(blocks) // 10] for key, values in zip(("cpu", "wall"), zip(*blocks))}
count = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("Threads"))
print(json.dumps({**spent, "threads": count}))
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


def main() -> int:
    """Measure in turns, and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.threads", description=__doc__)
    parser.add_argument("--cpus", type=int, default=2, help="the CPU limit")
    parser.add_argument("--cores", type=int, default=96, help="the cores that the node is said to have")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--quota", action="store_true", help="under a real CFS quota, too")
    options = parser.parse_args()
    groups = [False, True] if options.quota else [False]
    found: dict[tuple[bool, str], list[Figures]] = {(quota, kind): [] for quota in groups for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        shim = Path(folder, "cores.so")
        source = Path(folder, "cores.c")
        source.write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
        for _ in range(options.rounds):
            for (quota, kind), several in found.items():
                with contextlib.ExitStack() as stack:
                    groups_to_join = stack.enter_context(_quota(options.cpus)) if quota else []
                    several.append(_measured(kind, shim, options, groups_to_join, with_server=not several))
    rows = []
    for (quota, kind), several in found.items():
        median = {key: statistics.median(one[key] for one in several if key in one) for key in several[0]}
        base = statistics.median(one["cpu"] for one in found[quota, KINDS[0]])
        rows.append(
            (
                f"{kind}, {'CFS quota' if quota else 'no quota'}",
                f"{median['cpu']:.2f} ms ({median['cpu'] / base - 1:+.0%})",
                f"{median['wall']:.2f} ms",
                int(median["threads"]),
                int(median["server"]),
            )
        )
    print("\n".join(table("threads of | CPU per step | time per step | threads | of an idle server", rows)))
    return 0


def _measured(kind: str, shim: Path, options: argparse.Namespace, groups: list[Path], *, with_server: bool) -> Figures:
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        environ.pop(name, None)
    # What the kernel lets it have is the same for all: the limit.
    shown = options.cpus if kind == KINDS[0] else options.cores
    environ |= {"LD_PRELOAD": str(shim), "SHOWN_CORES": str(shown)}
    if kind == KINDS[2]:
        environ |= threads.for_limit(options.cpus)
    figures: Figures = {}
    programs: list[tuple[str, list[str]]] = [(PROGRAM, [str(options.steps)])]
    if with_server:
        programs.append((SERVER, []))
    for program, arguments in programs:
        command = [sys.executable, "-c", program, *arguments]
        if groups:  # the process joins before it becomes Python: threads started later stay in the group
            joins = " ".join(f"echo $$ > {group};" for group in groups)
            command = ["sh", "-c", f'{joins} exec "$@"', "sh", *command]
        else:
            cpus = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0))[: options.cpus])
            command = ["taskset", "-c", cpus, *command]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        figures |= json.loads(done.stdout.splitlines()[-1])
    print(kind, "quota" if groups else "", figures, file=sys.stderr, flush=True)
    return figures


@contextlib.contextmanager
def _quota(cpus: int) -> Iterator[list[Path]]:
    """A control group that may use so many CPUs: the files to write a process id to."""
    first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    group = (first if first.is_dir() else second) / f"bench-threads-{os.getpid()}"
    group.mkdir()
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
