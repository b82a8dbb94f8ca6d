"""`python3 <this folder> run | serve | folder | interpreter`: a task, its server, what init containers do."""

import importlib
import os
import sys

MODES = {"run": "task", "serve": "server", "folder": "folders", "interpreter": "interpreter"}


def main() -> int:
    """Run the mode named first, imported as a module of a package although Python was given a folder."""
    here = os.path.dirname(os.path.abspath(__file__))
    mode = MODES.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if mode is None:
        print("usage: python3 %s run|serve|folder|interpreter OPTIONS" % here, file=sys.stderr)
        return 2
    program = os.path.dirname(here)
    sys.path[0] = os.path.dirname(program)
    module = importlib.import_module("%s.%s.%s" % (os.path.basename(program), os.path.basename(here), mode))
    del sys.path[0]
    return int(module.main(sys.argv[2:]))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: while Python takes itself down its signal handlers are gone, and a SIGTERM would change the status.
    os._exit(code)
