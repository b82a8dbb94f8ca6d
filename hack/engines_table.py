"""The table of docs/engines.md: which scenario ran beside which engine, and what became of it.

`make test-engines` keeps what it saw, then runs `python -m hack.engines_table`, which writes the page's table anew. An
engine that is run alone changes its own lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .cluster.settings import GO_MODULES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/engines.md"
RESULTS = ROOT / "build/engines.json"

_START, _END = "<!-- made by make test-engines -->", "<!-- end -->"
_HEAD = "| engine | version | Kubernetes | scenario | result | seconds |\n|---|---|---|---|---|---:|\n"


@dataclass(frozen=True)
class Row:
    """What became of one scenario."""

    engine: str
    version: str
    kubernetes: str
    scenario: str
    result: str
    seconds: int


def version_of(folder: str, module: str) -> str:
    """The version of a Go module that the kit builds in this folder of go/. Raises ValueError where it does not."""
    text = (GO_MODULES / folder / "go.mod").read_text("utf-8")
    required = re.search(rf"^(?:require)?\s+{re.escape(module)} v(\S+)", text, re.MULTILINE)
    if not required:
        raise ValueError(f"go/{folder}/go.mod does not require {module}")
    return required[1]


def scenario_of(test: str) -> str:
    """A test's name as words: `test_a_job_waits[strict]` is `a job waits (strict)`."""
    title, _, variant = test.removeprefix("test_").partition("[")
    return title.replace("_", " ") + (f" ({variant.removesuffix(']')})" if variant else "")


def keep(rows: Mapping[str, Row], file: Path = RESULTS) -> None:
    """Put rows, each under the id of its test, beside those of earlier runs."""
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    known.update({test: asdict(row) for test, row in rows.items()})
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(known, indent=1), "utf-8")


def with_table(page: str, rows: Iterable[Row]) -> str:
    """The page with a table of these rows in the place of the one that it has."""
    before, start, rest = page.partition(_START)
    _, end, after = rest.partition(_END)
    if not (start and end):
        raise ValueError(f"the page lacks the lines {_START} and {_END}, between which the table stands")
    lines = [f"| {' | '.join(str(cell) for cell in asdict(row).values())} |\n" for row in rows]
    return f"{before}{start}\n\n{_HEAD}{''.join(lines)}\n{end}{after}"


def main() -> None:
    """Write the page's table."""
    known = json.loads(RESULTS.read_text("utf-8"))
    rows = sorted((Row(**row) for row in known.values()), key=lambda row: (row.engine, row.scenario))
    PAGE.write_text(with_table(PAGE.read_text("utf-8"), rows), "utf-8")


if __name__ == "__main__":
    main()
