"""Run other programs, and say what the kit is doing."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class KitError(Exception):
    """Something that the kit needs failed; the message names it and has the end of its log."""


def say(text: str) -> None:
    """Print one line about the progress, at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path],
    *,
    check: bool = True,
    text: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command and return its standard output; with `check`, a failure is a KitError with its output."""
    arguments = [str(word) for word in command]
    try:
        result = subprocess.run(
            arguments,
            input=text,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise KitError(f"{arguments[0]}: {error.strerror}") from error
    if check and result.returncode != 0:
        output = tail(result.stdout) + "\n" + tail(result.stderr)
        raise KitError(f"{shlex.join(arguments)}: exit status {result.returncode}\n{output.strip()}")
    return result.stdout


def tail(text: str, lines: int = 25) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.rstrip().splitlines()[-lines:])
