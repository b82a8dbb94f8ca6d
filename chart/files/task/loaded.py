"""Which TensorFlow a program has loaded: by the libraries that its processes have mapped. Linux; Python 3.6.

Which Python the program runs with, and what that one finds, only the program knows. What is mapped is what it runs; the
version is in the name of the folder that pip left beside it. So nothing is imported, and no other Python started.
PID 1 itself reads the kernel's tables alone: that folder may be on a volume that hangs, so another process looks there.
"""

import contextlib
import os
import re
from typing import Iterator, List, Optional

from . import files
from .pipelines import own_session

MAX_BYTES = 4096  # of top_level.txt
LIBRARY = re.compile(rb"(/.+)/tensorflow(?:_core)?/(?:python/_pywrap_tensorflow_internal|libtensorflow_framework)\.so")
VERSION = r"[0-9][0-9A-Za-z._+!]{0,39}"
# Also that of tensorflow_text, which is told apart by the packages that it brings.
DISTRIBUTION = re.compile(
    r"(?:\w+_)?(?:tensorflow|tf_nightly)(?:_\w+)?-(" + VERSION + r")(?:-py[0-9.]+)?\.(?:dist|egg)-info"
)


def tensorflow() -> Optional[str]:
    """Its version; empty where the files do not tell it, None while no process has loaded any."""
    folders = set(_folders())
    if not folders:
        return None
    from . import checkpoints  # once, as it then is not looked for again

    answer = checkpoints.ask(lambda: {"versions": sorted({version for at in folders for version in _versions(at)})[:2]})
    versions = answer.get("versions", [])
    return str(versions[0]) if len(versions) == 1 else ""


def _folders() -> Iterator[str]:
    """Where it was loaded from, by each process."""
    for pid, _ in own_session():
        with contextlib.suppress(OSError):  # gone meanwhile, or of another user
            with open("/proc/%d/maps" % pid, "rb") as file:
                found = next(filter(None, map(_library, file)), None)
            if found:
                yield os.fsdecode(found)


def _library(line: bytes) -> bytes:
    """The folder of a mapping's library. Linear in the line's length, whatever the program calls its files."""
    found = LIBRARY.match(line.split(None, 5)[-1]) if b"tensorflow" in line else None
    return found.group(1) if found else b""


def _versions(folder: str) -> Iterator[str]:
    """Of whatever was installed there as `tensorflow`; of more than one, nobody knows which was the last."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            found = DISTRIBUTION.fullmatch(name)
            if found and "tensorflow" in _packages(os.path.join(folder, name)):
                yield found.group(1)


def _packages(metadata: str) -> List[str]:
    with contextlib.suppress(OSError, ValueError):
        return files.read(os.path.join(metadata, "top_level.txt"), MAX_BYTES)[0].decode().split()
    return []
