"""The rule of shell syntax in env, which no shell ever reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfconfig.checking.rules.registry import SHELL, SUBSTITUTION, JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.role_settings import MADE_VARIABLES

_BACKTICKS = re.compile(r"`[a-z][^`]*`")
# $NAME or ${NAME}, alone or as the beginning of a path. Elsewhere a dollar sign may be anything, such as a password's.
_VARIABLE = re.compile(r"(?:^|(?<=[:=/ ]))\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))(?=/|:|$)")
_USUAL = {"HOME", "PATH", "PWD", "USER", "HOSTNAME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", *MADE_VARIABLES}


@rule("TFC333")
def _shell_in_env(job: JobValues) -> Iterator[Diagnostic]:
    seen: set[Path] = set()
    read = {name for line in job.command_lines for _, word in line.parts for name in re.findall(r"[A-Za-z_]\w*", word)}
    shell = any(SHELL.search(word) for line in job.command_lines for _, word in line.parts)
    for role in job.roles:
        env = job.setting(role, "env")
        for name, text in env.items():
            path = job.place(role, "env", name)
            if not isinstance(text, str) or path in seen or "\n" in text or (shell and name in read):
                continue  # a script, or a text that a shell of the program may read
            match = SUBSTITUTION.search(text) or _BACKTICKS.fullmatch(text.strip()) or _variable(text, {*env, *_USUAL})
            if match:
                seen.add(path)
                message = f"{match[0]} is shell syntax, and no shell reads it: the program gets it as it is"
                fix = "write $(NAME) for a variable; have anything else computed by the program, or by a script"
                yield job.diagnostic("TFC333", path, message, fix)


def _variable(text: str, known: set[str]) -> re.Match[str] | None:
    return next((match for match in _VARIABLE.finditer(text) if (match[1] or match[2]) in known), None)
