"""The corpus: values files in text files, each case below a line `### title`.

A line of a case that ends with `# <-- TFC012` is where that rule must report. What cannot be said by a comment follows
the title: `| TFC101@0 release=a.b`: the rule at that line (0: no line of the file), and the release's name. A case
without a program has one added at its end, but for `noprogram`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PROGRAM = "program: {command: [python3, -m, train]}\n"
RELEASE = "digits"


@dataclass(frozen=True)
class Case:
    """One values file and what must be found in it: (rule, line)."""

    title: str
    text: str
    expected: frozenset[tuple[str, int]] = frozenset()
    release: str = RELEASE


def invalid() -> list[Case]:
    """The files with errors."""
    return [case for file in sorted(FOLDER.glob("invalid/*.txt")) for case in _cases(file)]


def valid() -> list[Case]:
    """The files without any."""
    return list(_cases(FOLDER / "valid.txt"))


def _cases(file: Path) -> list[Case]:
    _, *parts = re.split(r"^### ", file.read_text("utf-8"), flags=re.MULTILINE)
    return [_case(part) for part in parts]


def _case(part: str) -> Case:
    head, _, text = part.partition("\n")
    title, _, extra = (item.strip() for item in head.partition("|"))
    expected, release = set(), RELEASE
    for word in extra.split():
        if "@" in word:
            rule, _, line = word.partition("@")
            expected.add((rule, int(line)))
        elif word.startswith("release="):
            release = word.removeprefix("release=")
    for number, line in enumerate(text.splitlines(), 1):
        if mark := re.search(r"# <-- (.+)$", line):
            expected |= {(rule, number) for rule in mark[1].split()}
    text = text.strip("\n") + "\n"
    if (
        "program:" not in text
        and "noprogram" not in extra.split()
        and not any(rule == "TFC001" for rule, _ in expected)
    ):
        text += PROGRAM
    return Case(title, text, frozenset(expected), release)
