"""`python3 <this folder> run | serve | folder | interpreter`: a task, its server, what init containers do. Python 3.6.

In a pod the code is mounted without bytecode, and the memory that compiling takes stays with the process that does it:
for a task, which stays beside the program, another process compiles.
"""

import importlib
import marshal
import os
import signal
import sys
import warnings
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False  # of typing, which takes long to import
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Dict, Optional, Sequence

MODES = {"run": "task", "serve": "server", "folder": "folders", "interpreter": "interpreter"}
# What task imports, and itself.
COMPILED = (
    "checkpoints",
    "connections",
    "files",
    "folders",
    "job_spec",
    "last_output",
    "listener",
    "log",
    "messages",
    "names",
    "output",
    "pipelines",
    "process",
    "progress",
    "ranges",
    "silent",
    "task",
    "threads",
    "usage",
)
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "tensorflow_job_task"


class Importer:
    """Imports the modules of this folder as a package, although Python was given a folder, from code where there is."""

    def __init__(self, codes: "Dict[str, CodeType]") -> None:
        self.codes = codes  # by name of a module

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> "Optional[ModuleSpec]":
        """See importlib.abc.MetaPathFinder."""
        package, _, name = fullname.rpartition(".")
        if fullname == PACKAGE:
            return ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]
        if package != PACKAGE or not os.path.exists(_file(name)):
            return None
        spec = ModuleSpec(fullname, self, origin=_file(name))  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def create_module(self, _spec: ModuleSpec) -> None:
        """See importlib.abc.Loader: as usual."""

    def exec_module(self, module: "ModuleType") -> None:
        """See importlib.abc.Loader."""
        if module.__name__ != PACKAGE:
            name = module.__name__.rpartition(".")[2]
            exec(self.codes.pop(name) if name in self.codes else compiled(name), module.__dict__)


def _file(name: str) -> str:
    return os.path.join(HERE, name + ".py")


def compiled(name: str) -> "CodeType":
    """The code of a module of this folder."""
    with open(_file(name), "rb") as file:
        return compile(file.read(), _file(name), "exec", dont_inherit=True)


def compiled_apart(names: "Sequence[str]") -> "Dict[str, CodeType]":
    """That of several, by another process; nothing if it fails. Meanwhile this one imports what they need of Python."""
    warnings.simplefilter("ignore", DeprecationWarning)  # of fork, where a library that is preloaded has made a thread
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who started this process may ignore it; then none is waited for
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return {}
    if child == 0:
        try:
            with open(writing, "wb") as pipe:
                marshal.dump({name: compiled(name) for name in names}, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    for name in ("json", "typing"):
        importlib.import_module(name)
    with open(reading, "rb") as pipe:
        try:
            codes: "Dict[str, CodeType]" = marshal.load(pipe)
        except (EOFError, ValueError, TypeError):
            codes = {}
    os.waitpid(child, 0)
    return codes


def main() -> int:
    """Run the mode named first."""
    mode = MODES.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if mode is None:
        print("usage: python3 %s run|serve|folder|interpreter OPTIONS" % sys.argv[0], file=sys.stderr)
        return 2
    if mode == "task":  # PID 1 loses signals before it handles them, unless they are blocked: process.catch_signals
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    # Its modules are not the program's log, files, names, …
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != HERE]
    sys.meta_path.insert(0, Importer(compiled_apart(COMPILED) if mode == "task" else {}))
    return int(importlib.import_module("%s.%s" % (PACKAGE, mode)).main(sys.argv[2:]))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: while Python takes itself down its signal handlers are gone, and a SIGTERM would change the status.
    os._exit(code)
