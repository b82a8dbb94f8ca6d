"""Values of jobs under test: a few lines of shell, or the digits example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Values = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "chart"
DIGITS = ROOT / "examples/digits"

# Every shell program prints when it ended, and can wait for a signal from the test (Job.tell).
_PRELUDE = """
trap 'code=$?; date "+ended at %s.%N"; exit $code' EXIT
wait_for() { while ! test -e "$HOME/$1"; do sleep 0.1; done; rm "$HOME/$1"; }
"""


def shell(script: str, **values: Any) -> Values:
    """Values of a job whose every task runs a shell script; one worker, no claim, short grace, unless `values` differ.

    In the script `wait_for NAME` waits until the test calls `job.tell(task, NAME)`.
    """
    job: Values = {
        "strategy": "Custom",
        "program": {"command": ["sh", "-c", _PRELUDE + script]},
        "worker": {"replicas": 1},
        "checkpoint": {"enabled": False},
        "terminationGracePeriodSeconds": 5,
    }
    return {**job, **values}


def digits(steps: int, *arguments: str, **values: Any) -> Values:
    """Values that train the digits example for a while, and print when the program ended."""
    program = {
        "command": ["sh", "-c", _PRELUDE + 'python3 train.py "$@"', "sh"],
        "args": [f"--steps={steps}", *arguments],
        "files": {"train.py": (DIGITS / "train.py").read_text()},
    }
    return {**yaml.safe_load((DIGITS / "values.yaml").read_text()), "program": program, **values}


def python(strategy: str, script: str, **values: Any) -> Values:
    """Values of a job that runs a Python program with TensorFlow and no claim."""
    program = {"command": ["python3", "-u", "program.py"], "files": {"program.py": script}}
    return {"strategy": strategy, "program": program, "checkpoint": {"enabled": False}, **values}
