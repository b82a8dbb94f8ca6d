"""Break the pure parts of the code, one small change at a time, and list the changes that no test notices.

    python -m hack.mutants                              # everything in PARTS; goes on where it was stopped
    python -m hack.mutants tfconfig/values/merge.py …   # these files only
    python -m hack.mutants --sample 200 --seed 3        # a random part of it

It works on copies of the working tree under build/mutants: the checkout is never broken. Changes that tests noticed are
kept in build/mutants/results.json, and not tried again while the file stays as it is. Survivors are tried again.
Exit status: 0 no survivors, 1 survivors, 2 tests that fail without any change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import hypothesis
import pytest

from .changes import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/mutants"
RESULTS = BUILD / "results.json"
WORKERS = 2
CPU_SECONDS = 120  # a change that makes a loop endless counts as noticed
# The warning is about large packages that are imported already.
OPTIONS = [
    "-xq",
    "-pno:cacheprovider",
    "-mnot cluster and not examples and not guides",
    "-Wignore::pytest.PytestAssertRewriteWarning",
]

_STATE_MACHINE = [
    f"tests/unit/lifecycle/test_{part}.py"
    for part in ("exits", "waves", "stalls", "deadlines", "endings", "freeing", "hangs", "decide", "decide_simulated")
]
# Sources, and the tests that belong to them, the quick ones first: what runs inside pytest, without a cluster.
PARTS: dict[str, Sequence[str]] = {
    "tfconfig/values/*.py": ["tests/unit/tool/values", "tests/unit/tool/checking/rules"],
    "tfconfig/checking/rules/*.py": ["tests/unit/tool/checking/rules", "tests/unit/tool/checking/test_umbrella.py"],
    "chart/files/task/job_spec.py": ["tests/unit/task/test_job_spec.py", "tests/unit/tool/checking/rules"],
    "chart/files/task/progress.py": ["tests/unit/task/test_progress.py"],
    **{
        f"chart/files/lifecycle/{module}.py": _STATE_MACHINE
        for module in (
            "decide",
            "exits",
            "waves",
            "stalls",
            "deadlines",
            "endings",
            "freeing",
            "hangs",
            "waiting",
            "training",
        )
    },
    **{
        f"chart/files/lifecycle/{module}.py": [f"tests/unit/lifecycle/test_{test}.py" for test in tests]
        for module, tests in {
            "status": ["status", "contracts"],
            "timestamps": ["status"],
            "pod_status": ["pod_status"],
            "metrics": ["metrics"],
            "queues": ["queues", "gang", "pod_status"],
            "gang": ["gang"],
            "record": ["record", "decide"],
            "run_settings": ["run_settings"],
            "timelines": ["timelines"],
        }.items()
    },
    "chart/files/lifecycle/text.py": ["tests/unit/task/test_progress.py", *_STATE_MACHINE],
}


def run(wanted: list[Mutant], tests: dict[str, Sequence[str]], trees: list[Path]) -> Iterator[tuple[Mutant, bool]]:
    """Each change, and whether it survived the tests of its file."""
    queue, running, free = list(reversed(wanted)), dict[int, tuple[Mutant, Path]](), list(trees)
    while queue or running:
        while queue and free:
            mutant, tree = queue.pop(), free.pop()
            file = tree / mutant.file
            source = file.read_bytes()
            file.write_bytes(source[: mutant.start] + mutant.new.encode() + source[mutant.end :])
            running[_start(tree, tests[mutant.file])] = mutant, tree
        pid, status = os.wait()
        mutant, tree = running.pop(pid)
        shutil.copy2(ROOT / mutant.file, tree / mutant.file)
        free.append(tree)
        yield mutant, status == 0


def _start(tree: Path, tests: Sequence[str]) -> int:
    """Start pytest in a child that has all large packages already; exit status 0 when every test passes."""
    pid = os.fork()
    if pid:
        return pid
    try:
        log = os.open(tree.with_suffix(".log"), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for channel in range(3):
            os.dup2(log, channel)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        os._exit(pytest.main([*OPTIONS, *tests]))
    except BaseException:  # not into the parent's loop
        os._exit(99)


def _copy(tree: Path) -> Path:
    """A copy of the working tree, without what git ignores."""
    shutil.rmtree(tree, ignore_errors=True)
    listing = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    return tree


def main() -> int:
    """Try the changes that are not known to be noticed, and print those that survive."""
    assert __doc__
    parser = argparse.ArgumentParser(prog="python -m hack.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", metavar="FILE", help="sources; default: all of PARTS")
    parser.add_argument("--sample", type=int, metavar="N", help="try N of the changes, picked at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --sample; default: 0")
    options = parser.parse_args()
    tests = {str(file.relative_to(ROOT)): names for part, names in PARTS.items() for file in ROOT.glob(part)}
    if unknown := set(options.files) - set(tests):
        parser.error(f"not in PARTS: {', '.join(sorted(unknown))}")
    wanted = [mutant for file in options.files or tests for mutant in mutants(file, (ROOT / file).read_text())]
    BUILD.mkdir(parents=True, exist_ok=True)
    noticed = set(json.loads(RESULTS.read_text())) if RESULTS.exists() else set[str]()
    if options.sample is not None:
        wanted = random.Random(options.seed).sample(wanted, min(options.sample, len(wanted)))
    left = [mutant for mutant in wanted if _key(mutant) not in noticed]
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, max_examples=20)
    hypothesis.settings.load_profile("mutants")
    trees = [_copy(BUILD / f"tree{number}") for number in range(WORKERS)]
    unchanged = [Mutant(file, 0, 0, 0, "", "") for file in {mutant.file for mutant in left}]
    if red := [mutant.file for mutant, survived in run(unchanged, tests, trees) if not survived]:
        parser.exit(2, f"nothing is changed, and tests of these fail: {', '.join(red)}; see {BUILD}/tree*.log\n")
    # A file that changes twice in a second, to the same size, would be taken from the cache of bytecode.
    os.environ["PYTHONDONTWRITEBYTECODE"], sys.dont_write_bytecode = "1", True
    survivors = []
    for number, (mutant, survived) in enumerate(run(left, tests, trees), 1):
        if survived:
            survivors.append(mutant)
            print(f"survived ({number} of {len(left)})  {mutant}", flush=True)
        else:
            noticed.add(_key(mutant))
            RESULTS.write_text(json.dumps(sorted(noticed)))
    print(f"{len(wanted)} changes, {len(survivors)} survived:", *map(str, sorted(survivors)), sep="\n")
    return 1 if survivors else 0


def _key(mutant: Mutant) -> str:
    digest = hashlib.sha256((ROOT / mutant.file).read_bytes()).hexdigest()[:12]
    return f"{digest} {mutant}@{mutant.start}"


if __name__ == "__main__":
    sys.exit(main())
