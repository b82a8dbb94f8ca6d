"""Writes the table of known failures in docs/troubleshooting.md: python -m hack.known_failures."""

from __future__ import annotations

from pathlib import Path

from tfconfig.tensorflow_job.lifecycle.known_failures import KNOWN

PAGE = Path(__file__).parents[1] / "docs" / "troubleshooting.md"
HEAD = "| failure | what to do |\n|---|---|\n"


def table() -> str:
    """Rows of title and advice."""
    rows = [f"| {known.title} | {known.advice} |" for known in KNOWN]
    return HEAD + "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """The page with the table as it is now."""
    before, _, after = page.partition(HEAD)
    return before + table() + after[after.index("\n\n") + 1 :]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
