"""Command lines of programs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_PYTHON, _SHELL = re.compile(r"python[0-9.]*"), re.compile(r"(ba|da|z|k)?sh")
_STARTERS = re.compile(rf"{_PYTHON.pattern}|{_SHELL.pattern}|env")
_PYTHON_ENDS, _PYTHON_TAKES = {"-m", "-c", "-"}, {"-W", "-X"}  # no file follows; the next word belongs to it
# In quotes, or after a backslash, nothing is special to a shell that matters here; `$(NAME)` is Kubernetes' own.
_SHELL_SYNTAX = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|(&&|\|\||>>|[;&|<>`]|\$[A-Za-z_{]\w*)""", re.DOTALL)


def is_command(words: Iterable[str]) -> bool:
    """Whether these words start a program by themselves, so that they are hardly the arguments of another one."""
    return bool(_STARTERS.fullmatch(Path(next(iter(words), "")).name))


def shell_syntax(text: str) -> str:
    """What only a shell understands in a command line, such as `&&`; empty where there is nothing."""
    return next((match[1] for match in _SHELL_SYNTAX.finditer(text) if match[1]), "")


def script_of(command: Iterable[str]) -> str:
    """The file that Python or a shell is to run; empty where there is none, or it is not known."""
    first, *rest = [*command] or [""]
    interpreter = Path(first).name
    python = bool(_PYTHON.fullmatch(interpreter))
    if not python and not _SHELL.fullmatch(interpreter):
        return ""
    arguments = iter(rest)
    for word in arguments:
        if "$(" in word:
            return ""
        if not word.startswith("-"):
            return word
        if word in _PYTHON_ENDS if python else "c" in word or word.startswith("--"):
            return ""
        if word in _PYTHON_TAKES if python else word.endswith("o"):
            next(arguments, None)
    return ""
