"""The lines that a task itself adds to its container's log. Python 3.6."""

import sys


def log(text: str) -> None:
    """Print a line to standard error, at once and recognizable beside the program's own."""
    print("tensorflow-job: " + text, file=sys.stderr, flush=True)
