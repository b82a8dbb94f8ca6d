"""What the tool takes for a job of 5,000 tasks: seconds and memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from . import usage
from .jobs import roles
from .lab import say
from .measure import ROOT, Results

TASKS = 5000
RUNS = 3
COMMANDS = {
    "validate": ["validate"],
    "plan": ["plan"],
    "generate, of one task": ["generate", "--task", "worker-0"],
}


def measure(results: Results) -> None:
    """Each command a few times; the median."""
    values: dict[str, Any] = {"program": {"command": ["python3", "train.py"]}}
    values |= {role: {"replicas": count} for role, count in roles(TASKS).items()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "values.yaml")
        file.write_text(yaml.safe_dump(values))
        for title, arguments in COMMANDS.items():
            say(f"tfconfig {title}")
            seconds, memory, size = zip(*(_run([*arguments, "--release=j"], file) for _ in range(RUNS)), strict=True)
            results.add("tool", command=title, seconds=statistics.median(seconds), peak=max(memory), printed=size[0])


def _run(arguments: list[str], file: Path) -> tuple[float, float, int]:
    """Seconds, peak MiB and the bytes that it printed."""
    command = [sys.executable, "-m", "tfconfig", *arguments, *([] if arguments[0] == "validate" else ["-f"]), str(file)]
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.DEVNULL)
        # Not rusage.ru_maxrss, which a process takes over from the one that started it.
        peak = 0.0
        while process.poll() is None:
            with suppress(ProcessLookupError):
                peak = usage.read(process.pid).peak
            time.sleep(0.005)
        seconds = time.monotonic() - began
        if process.returncode:
            raise RuntimeError(f"tfconfig {' '.join(arguments)} ended with {process.returncode}")
        return seconds, peak, output.seek(0, 2)
