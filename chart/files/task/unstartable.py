"""Why the kernel does not start a file that is there: in its own words that is "No such file". Python 3.6."""

import errno
import os
from codecs import BOM_UTF8
from typing import Mapping, Optional


def explanation(program: str, environ: Mapping[str, str], code: Optional[int]) -> str:
    """What is wrong, and what to do, when execvpe(program, …, environ) fails with this errno; "" if unknown."""
    path = _executable(program, environ)
    if code == errno.EACCES and path and not os.access(path, os.X_OK):
        return "%s may not be executed: chmod +x, or start it with its interpreter, as in [bash, %s]" % (path, program)
    if code == errno.ENOEXEC and _start(path).startswith(BOM_UTF8):
        return "%s starts with a byte order mark; save it as UTF-8 without one" % path
    if code == errno.ENOEXEC:
        return "it is neither a program for this machine nor a script with a first line such as #!/bin/sh"
    if code not in (errno.ENOENT, errno.ENOTDIR):
        return ""
    if not path:
        return (
            "program.command names it; it must be on the image's PATH, in its working directory (%s) or among "
            "program.files" % os.getcwd()
        )
    interpreter = _interpreter(path)
    if interpreter.endswith("\r"):
        return (
            "%s is there, but its first line ends as on Windows, so that its interpreter is %r; save it with Unix line "
            "endings (LF)" % (path, interpreter)
        )
    if interpreter:
        return "%s is there, but the image has no %s, which its first line names" % (path, interpreter)
    return "%s is there, but not the loader it was built for: another libc or another kind of processor" % path


def _executable(program: str, environ: Mapping[str, str]) -> str:
    """The file that execvpe takes; "" when there is none."""
    folders = [""] if "/" in program else os.get_exec_path(dict(environ))
    paths = [os.path.join(folder, program) for folder in folders]
    return next((path for path in paths if program and os.path.isfile(path)), "")


def _interpreter(path: str) -> str:
    """What the first line of a script names, as the kernel reads it; "" for other files."""
    line = _start(path)
    parts = line[2:].rstrip(b"\n").strip(b" \t").split(None if b"\r" not in line else b" ")
    return parts[0].decode("utf-8", "replace") if line.startswith(b"#!") and parts else ""


def _start(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.readline(256)
    except OSError:
        return b""
