"""`python3 <this folder> OPTIONS`: the lifecycle of one run (lifecycle.main). Python 3.10."""

from __future__ import annotations

import importlib
import os
import sys


def main() -> int:
    """Run lifecycle.main, imported as a module of a package although Python was given a folder."""
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.version_info < (3, 10):
        print(f"lifecycle.image: Python {sys.version.split()[0]} is too old; use 3.10 or newer", file=sys.stderr)
        return 2
    program = os.path.dirname(here)
    sys.path[0] = os.path.dirname(program)
    module = importlib.import_module(f"{os.path.basename(program)}.{os.path.basename(here)}.lifecycle")
    del sys.path[0]
    return int(module.main(sys.argv[1:]))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: while Python takes itself down its signal handlers are gone, and a SIGTERM would change the status.
    os._exit(code)
