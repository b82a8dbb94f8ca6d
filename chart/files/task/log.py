"""The lines that a task itself adds to its container's log. Python 3.6."""

import sys

OWN = "tensorflow-job: "  # the beginning of such a line


def log(text: str) -> None:
    """Write a line to standard error, recognizable beside the program's own."""
    # In one piece: print writes the end of the line by itself where PYTHONUNBUFFERED is set, after other output maybe.
    sys.stderr.write("%s%s\n" % (OWN, text))
    sys.stderr.flush()
