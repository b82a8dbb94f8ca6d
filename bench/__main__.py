"""`python -m bench [PART…]`: measure, then write the report from everything measured so far."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable

from hack.cluster.proxy import ApiError

from . import entrypoint, operator, releases, report, tfjobs, tool
from .lab import Lab, LateError, fake_nodes, say
from .measure import Results

SIZES = (10, 100, 1000, 5000)
TFJOB_MOST = 1000  # TF_CONFIG of more than about 3,000 tasks is over the kernel's limit for TFJob
MANY, EACH = 100, 10
REAL = 10
FAILING = 1000
ROUNDS = 3  # of each size that TFJob can have too: the report has the median
PARTS = ("entrypoint", "tool", "cluster")


def main() -> int:
    """Measure the parts that are named, or all of them; 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}, report; default: all")
    parser.add_argument("--most", type=int, default=SIZES[-1], metavar="TASKS", help="leave out larger jobs")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if "entrypoint" in parts:
        entrypoint.measure(Results("entrypoint"))
    if "tool" in parts:
        tool.measure(Results("tool"))
    complete = cluster(Results("cluster"), options.most) if "cluster" in parts else True
    report.write()
    return 0 if complete else 1


def cluster(results: Results, most: int) -> bool:
    """Releases, bare StatefulSets and TFJobs in turns on one cluster; whether all of it could be measured."""
    sizes = [size for size in SIZES if size <= most]
    complete = True

    def attempt(measurement: Callable[..., None], *arguments: object) -> None:
        """A measurement that fails leaves the others to be made."""
        nonlocal complete
        try:
            measurement(lab, results, *arguments)
        except (LateError, RuntimeError, ApiError) as error:
            say(f"not measured: {measurement.__name__} {arguments}: {error!r}")
            complete = False

    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(contextlib.closing(Lab()))
        stack.enter_context(fake_nodes(lab))
        for size in sizes:
            if size <= TFJOB_MOST:
                with operator.running() as pid:  # only here: it takes note of every pod of the cluster
                    attempt(tfjobs.tfjob, pid, size)
                for _ in range(ROUNDS):
                    attempt(releases.bare_set, size)
                    attempt(releases.release, size)
        with operator.running() as pid:
            attempt(tfjobs.real, "tfjob", REAL)
            if most >= MANY * EACH:
                attempt(tfjobs.many, pid, MANY, EACH)
        attempt(tfjobs.real, "release", REAL)
        if most >= FAILING:
            attempt(releases.many, MANY, EACH)
            attempt(releases.fails_while_it_starts, FAILING)
        for size in sizes:
            if size > TFJOB_MOST:
                attempt(releases.bare_set, size)
                attempt(releases.release, size)
    return complete


if __name__ == "__main__":
    sys.exit(main())
