"""Results: named figures, one file for each part of the benchmark."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build/bench"


class Results:
    """The figures of one part; written after each one, so that a run that is cut short leaves what it had."""

    def __init__(self, part: str) -> None:
        self._file = OUT / f"{part}.json"
        self._rows: list[Row] = []
        OUT.mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, **figures: Any) -> None:
        """Keep the figures of one measurement."""
        rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
        self._rows.append({"kind": kind, **rounded})
        text = {"machine": machine(), "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "rows": self._rows}
        self._file.write_text(json.dumps(text, indent=1) + "\n")
        print(kind, json.dumps(rounded), flush=True)


def machine() -> str:
    """What this was measured on, in a few words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    linux = platform.release().partition("-")[0]
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {linux}, "
        f"Python {platform.python_version()}; this repository at {commit or 'no commit'}"
    )
