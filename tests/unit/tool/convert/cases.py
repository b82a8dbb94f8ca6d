"""The corpus: a manifest a file, with the values and the report that `tfconfig convert` makes of it.

python3 -m tests.unit.tool.convert.cases    # write what it makes now; read the difference before you commit it
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from tfconfig.commands.convert import command

FOLDER = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))
_PROMPT, _VALUES, _REPORT = "$ tfconfig convert -", "=== values, exit status ", "=== report\n"
_NOTES = "\nAs for every job here:\n"


@dataclass(frozen=True)
class Case:
    """A manifest, and what becomes of it."""

    arguments: str
    manifest: str
    status: int
    values: str
    report: str

    def __str__(self) -> str:
        start = f"{_PROMPT}{self.arguments}\n{self.manifest}"
        return f"{start}{_VALUES}{self.status}\n{self.values}{_REPORT}{self.report}"


def read(name: str) -> Case:
    """A case as it is written."""
    text = (FOLDER / f"{name}.txt").read_text("utf-8")
    head, _, rest = text.partition(_VALUES)
    first, _, manifest = head.partition("\n")
    status, _, expected = rest.partition("\n")
    values, _, report = expected.partition(_REPORT)
    return Case(first.removeprefix(_PROMPT), manifest, int(status or 0), values, report)


def call(manifest: str, arguments: str = "") -> Result:
    """Convert a manifest that stands on standard input."""
    before = Path.cwd()
    os.chdir(FOLDER)  # for the files that arguments name
    try:
        return CliRunner().invoke(command, ["-", *shlex.split(arguments)], input=manifest.encode())
    finally:
        os.chdir(before)


def now(case: Case) -> Case:
    """What becomes of a manifest now."""
    result = call(case.manifest, case.arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Case(case.arguments, case.manifest, result.exit_code, result.stdout, _without_notes(result.stderr))


def _without_notes(report: str) -> str:
    """Without what every report says."""
    before, found, rest = report.partition(_NOTES)
    return before + rest[rest.find("\n\n") + 1 :] if found else report


if __name__ == "__main__":
    for each in NAMES:
        (FOLDER / f"{each}.txt").write_text(str(now(read(each))), "utf-8")
