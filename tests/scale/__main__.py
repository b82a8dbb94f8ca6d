"""`python -m tests.scale [PART…]`: measure, then write the report from everything measured so far."""

from __future__ import annotations

import argparse
import contextlib

from . import entrypoint, operator, releases, report, tfjobs, tool
from .lab import Lab, fake_nodes
from .measure import Results

SIZES = (10, 100, 1000, 5000)
TFJOB_MOST = 1000  # TF_CONFIG of more than about 3,000 tasks is over the kernel's limit for TFJob
MANY, EACH = 100, 10
REAL = 10
FAILING = 1000
PARTS = ("entrypoint", "tool", "cluster")


def main() -> None:
    """Measure the parts that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}, report; default: all")
    parser.add_argument("--most", type=int, default=SIZES[-1], metavar="TASKS", help="leave out larger jobs")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if "entrypoint" in parts:
        entrypoint.measure(Results("entrypoint"))
    if "tool" in parts:
        tool.measure(Results("tool"))
    if "cluster" in parts:
        cluster(Results("cluster"), options.most)
    report.write()


def cluster(results: Results, most: int) -> None:
    """Releases, bare StatefulSets and TFJobs in turns on one cluster."""
    sizes = [size for size in SIZES if size <= most]
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(contextlib.closing(Lab()))
        stack.enter_context(fake_nodes(lab))
        with operator.running(lab) as pid:
            for size in sizes:
                if size <= TFJOB_MOST:
                    tfjobs.tfjob(lab, results, pid, size)
                    releases.bare_set(lab, results, size)
                    releases.release(lab, results, size)
            tfjobs.real(lab, results, "tfjob", REAL)
            tfjobs.real(lab, results, "release", REAL)
            if most >= MANY * EACH:
                tfjobs.many(lab, results, pid, MANY, EACH)
        if most >= FAILING:
            releases.fails_while_it_starts(lab, results, FAILING)
            releases.many(lab, results, MANY, EACH)
        for size in sizes:
            if size > TFJOB_MOST:
                releases.bare_set(lab, results, size)
                releases.release(lab, results, size)


if __name__ == "__main__":
    main()
