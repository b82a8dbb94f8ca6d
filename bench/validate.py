"""How long `tfconfig validate` takes, beside `helm lint` and `helm template`: prints a Markdown table.

    python -m bench.validate

Every Helm on PATH (helm, helm3, helm4) takes part. Times are the best of several runs, so that other work on the
machine counts little; all programs get the same values.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .lab import CHART

# Each Helm of this machine once.
BINARIES = sorted(
    {str(Path(binary).resolve()) for name in ("helm", "helm3", "helm4") if (binary := shutil.which(name))}
)
RUNS = 7
MANY = 1000
VALUES = CHART / "ci" / "gpu-values.yaml"
TOOL = [str(Path(sys.executable).with_name("tfconfig"))]


def best(command: Sequence[str], runs: int = RUNS) -> float:
    """Seconds that a command takes."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - start)
        if done.returncode:
            raise SystemExit(f"{' '.join(command[:5])} ended with {done.returncode}: {done.stderr or done.stdout}")
    return min(times)


def rows() -> Iterator[tuple[str, float, int, float | None]]:
    """(what, seconds, files in it, the goal in seconds)."""
    yield "`tfconfig --version`", best([*TOOL, "--version"]), 0, 0.1
    yield "`tfconfig validate`, one file", best([*TOOL, "validate", str(VALUES)]), 1, 0.3
    with tempfile.TemporaryDirectory() as folder:
        text = VALUES.read_text("utf-8")
        for number in range(MANY):
            Path(folder, f"{number}.yaml").write_text(f"{text}\n# file {number}\n", "utf-8")
        files = [str(Path(folder, f"{number}.yaml")) for number in range(MANY)]
        yield f"`tfconfig validate`, {MANY:,} files in one call", best([*TOOL, "validate", *files], 3), MANY, 5
    for helm in BINARIES:
        name = Path(helm).name
        version = subprocess.run([helm, "version", "--short"], capture_output=True, text=True, check=True).stdout
        title = f"{name} {version.partition('+')[0].strip()}"
        lint = [helm, "lint", "--quiet", "--kube-version", "1.35.0", "-f", str(VALUES), str(CHART)]
        yield f"`helm lint`, one file ({title})", best(lint), 1, None
        template = [helm, "template", "digits", str(CHART), "--kube-version", "1.35.0", "-f", str(VALUES)]
        yield f"`helm template`, one file ({title})", best(template), 1, None


def main() -> None:
    """Measure and print."""
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}")
    print("\n| | s | ms a file | goal, s |\n|---|---|---|---|")
    for what, seconds, files, goal in rows():
        each = f"{1000 * seconds / files:.1f}" if files else ""
        print(f"| {what} | {seconds:.3f} | {each} | {'' if goal is None else goal} |", flush=True)


if __name__ == "__main__":
    main()
