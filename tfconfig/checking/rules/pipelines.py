"""The rule of programs whose failure a pipeline hides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfconfig.checking.rules.registry import SHELL, JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic

_TRAINS = re.compile(r"\bpython|\.py\b")  # of the rest, such as `echo … | tee`, nobody asks the exit status
_HEEDS = re.compile(r"pipefail|PIPESTATUS|pipestatus")
_SCRIPT = re.compile(r"\.(ba|z|k)?sh$"), re.compile(r"#!\s*\S*/(env\s+)?(ba|da|a|z|k)?sh\b")
_TEE = re.compile(r"\|&?\s*tee\b")


@rule("TFC334")
def _pipelines(job: JobValues) -> Iterator[Diagnostic]:
    scripts: list[tuple[Path, str]] = [
        (("program", "files", name), text)
        for name, text in job.files.items()
        if _SCRIPT[0].search(name) or _SCRIPT[1].match(text)
    ]
    for line in job.command_lines:
        if line.command and SHELL.search(line.command[0][1]) and not _HEEDS.search(" ".join(w for _, w in line.parts)):
            scripts += line.parts[1:]
        elif line.command and SHELL.search(line.command[0][1]):  # `bash -o pipefail run.sh` is for its script, too
            run = {word.rpartition("/")[2] for _, word in line.parts}
            scripts = [(path, text) for path, text in scripts if path[-1] not in run]
    for path, text in scripts:
        if _hides_failure(text):
            message = "the exit status is that of tee: a program that fails counts as a success"
            fix = "run it with bash after `set -o pipefail`, or leave tee out: logs.persist keeps the output"
            yield job.diagnostic("TFC334", path, message, fix)


def _hides_failure(script: str) -> bool:
    """Whether a Python program's exit status is lost behind a pipe."""
    if _HEEDS.search(script):
        return False
    code = re.sub(r"(?m)^\s*#.*$", "", script).replace("\\\n", " ")
    starts = (re.split(r"[;\n&]\s", code[: match.start()])[-1] for match in _TEE.finditer(code))
    return any(_TRAINS.search(start) for start in starts)
