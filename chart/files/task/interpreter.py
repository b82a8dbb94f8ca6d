"""The Python of the lifecycle's image, copied for images that have none (`pythonFrom`): the init container does so.

Interpreter, its libraries, the modules and the dynamic loader, in a folder that no other file is needed for. The task
is started by that loader (_interpreter.tpl): no variable says where anything is, so none of them reaches the program.
"""

import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from typing import Iterator, List, Set

from .log import log

LOADER, PROGRAM = "ld.so", os.path.join("bin", "python3")

# Neither the tasks nor what they import need these.
LEFT_OUT = (
    "config-*", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tests",
    "tkinter", "turtledemo", "venv",
)  # fmt: skip
_PT_INTERP = 3


def main(arguments: List[str]) -> int:
    """`FOLDER`: copy the Python that runs this into it."""
    (folder,) = arguments
    try:
        copy(os.path.realpath(sys.executable), folder)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log("cannot copy %s of the lifecycle's image: %s" % (sys.executable, error))
        return 1
    return 0


def copy(python: str, folder: str) -> None:
    """Copy this very interpreter. Raises OSError, ValueError and subprocess.SubprocessError."""
    loader = loader_of(python)
    modules = os.path.join("lib", os.path.basename(sysconfig.get_path("stdlib")))
    for name in ("bin", "lib"):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)  # of an init container that was cut off
        os.makedirs(os.path.join(folder, name))
    shutil.copy(loader, os.path.join(folder, LOADER))
    shutil.copy(python, os.path.join(folder, PROGRAM))
    shutil.copytree(sysconfig.get_path("stdlib"), os.path.join(folder, modules), ignore=_left_out)
    dynamic = sysconfig.get_path("platstdlib")
    extensions = [
        os.path.join(dynamic, "lib-dynload", name) for name in os.listdir(os.path.join(dynamic, "lib-dynload"))
    ]
    for library in sorted(libraries(loader, [python, *extensions])):
        shutil.copy(library, os.path.join(folder, "lib"))


def _left_out(folder: str, names: List[str]) -> Set[str]:
    ignored = shutil.ignore_patterns(*LEFT_OUT)(folder, names)
    return ignored | {name for name in names if os.path.islink(os.path.join(folder, name))}


def loader_of(path: str) -> str:
    """The dynamic loader that an ELF file of this machine names."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x7fELF" or data[4] != 2:
        raise ValueError("%s is no 64-bit program" % path)
    order = "<" if data[5] == 1 else ">"
    start, size, count = struct.unpack_from(order + "32xQ14xHH", data)
    for number in range(count):
        kind, offset, length = struct.unpack_from(order + "I4xQ16xQ", data, start + number * size)
        if kind == _PT_INTERP:
            return data[offset : offset + length].rstrip(b"\0").decode()
    raise ValueError("%s is linked statically" % path)


def libraries(loader: str, paths: List[str]) -> Set[str]:
    """All that the loader loads for these programs and modules."""
    files: Set[str] = set()
    for path in paths:
        done = subprocess.run([loader, "--list", path], stdout=subprocess.PIPE, check=True)
        files.update(_listed(done.stdout.decode()))
    return files


def _listed(text: str) -> Iterator[str]:
    for line in text.splitlines():
        match = re.match(r"\s*\S+ => (/.*?)( \(0x[0-9a-f]+\))?$", line)
        if match:
            yield match.group(1)
        elif "not found" in line:
            raise ValueError(line.strip())
