"""Rules about what files turn into on their way: keys of YAML, scripts of program.files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from tfconfig.checking.rules.registry import SHELL, JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic, Origin
from tfconfig.values.helm_yaml import Node

_PLAIN = re.compile(r"[^\s\"'!&*|>?{}\[\],#:-][^\"'\n]*|[-:?][^\s\"'][^\"'\n]*")  # a key without quotes, tag or anchor


@rule("TFC182")
def _keys(job: JobValues) -> Iterator[Diagnostic]:
    lines = {file: re.split(r"\r\n|[\n\r]", text) for file, text in job.values.sources.items()}
    seen: set[Origin] = set()
    for path, node in _entries(job.values.root, ()):
        origin, name = node.key_origin, str(path[-1])
        if origin is None or origin in seen or origin.file not in lines or origin.line != origin.end_line:
            continue
        written = "".join(lines[origin.file][origin.line - 1 : origin.line])[origin.column - 1 : origin.end_column - 1]
        if written != name and _PLAIN.fullmatch(written):
            seen.add(origin)
            message = f"the key {written} without quotes is {name} to Helm"
            yield job.diagnostic("TFC182", path, message, f'write "{written}"', key=True)


def _entries(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    if isinstance(node.value, dict):
        for name, child in node.value.items():
            yield (*path, name), child
            yield from _entries(child, (*path, name))
    elif isinstance(node.value, list):
        for i, child in enumerate(node.value):
            yield from _entries(child, (*path, i))


@rule("TFC344")
def _path_for_text(job: JobValues) -> Iterator[Diagnostic]:
    for name, text in job.files.items():
        suffix = PurePath(name).suffix
        if suffix and re.fullmatch(r"[\w./~-]+", text.strip()) and PurePath(text.strip()).suffix == suffix:
            message = f"its text is {text.strip()}, which looks like the path of a file"
            key = name.replace(".", "\\.")
            fix = f"write its text, or give the file to Helm and tfconfig: --set-file 'program.files.{key}=…'"
            yield job.diagnostic("TFC344", ("program", "files", name), message, fix)


@rule("TFC183")
def _line_endings(job: JobValues) -> Iterator[Diagnostic]:
    runs: set[str] = set()
    for command in ([word for _, word in line.command] for line in job.command_lines if line.command):
        runs |= {word.rpartition("/")[2] for word in (command if SHELL.search(command[0]) else command[:1])}
    for name, text in job.files.items():
        shell = re.search(r"\.(ba|z|k)?sh$", name) or re.match(r"#!\s*\S*/(env\s+)?(ba|da|a|z|k)?sh\b", text)
        if "\r\n" in text and (shell or (name in runs and text.startswith("#!"))):
            message = "its lines end as on Windows, and no shell or kernel reads them"
            yield job.diagnostic("TFC183", ("program", "files", name), message, "save it with Unix line endings (LF)")
