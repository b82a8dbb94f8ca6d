"""Every branch of every template is rendered: by a values file of chart/ci, or by values that a rule refuses."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import errors, helm
from .helm import CHART, PROGRAM, RefusedError, Values, merged, render
from .test_names import umbrella

BRANCH = re.compile(r"\{\{-?\s*(?:if|else if|else|range|with)\b[^}]*?-?\}\}")


@functools.cache
def branches() -> dict[str, list[re.Match[str]]]:
    """File -> the actions that open a branch."""
    folder = CHART / "templates"
    files = sorted(folder.rglob("*.*"))
    return {str(file.relative_to(folder)): list(BRANCH.finditer(file.read_text("utf-8"))) for file in files}


def inputs() -> Iterator[Values]:
    yield from helm.ci_values().values()
    yield {"program": {"command": ["cat"], "files": {"bom.txt": "\ufeff"}}}
    for case in errors.RULES:
        yield merged(PROGRAM, case.values)


def mark(chart: Path, name: str, waiting: set[tuple[str, int]]) -> None:
    """Makes each branch of a template that has not been reached yet stop Helm with its place."""
    text = (CHART / "templates" / name).read_text("utf-8")
    for match in reversed(branches()[name]):
        if (name, match.start()) in waiting:
            text = f'{text[: match.end()]}{{{{ fail "branch {name} {match.start()}." }}}}{text[match.end() :]}'
    (chart / "templates" / name).write_text(text, "utf-8")


def test_every_branch_is_rendered_at_least_once(tmp_path: Path) -> None:
    waiting = {(name, match.start()) for name, matches in branches().items() for match in matches}
    assert len(waiting) > 100
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("ci", "__pycache__"))
    for name in branches():
        mark(chart, name, waiting)
    for values in inputs():
        while reached := reached_branch(values, chart):
            waiting.remove(reached)
            mark(chart, reached[0], waiting)
    if reached := reached_branch({"tensorflow-job": PROGRAM}, umbrella(tmp_path, [""], chart)):
        waiting.remove(reached)
    assert not {f"{name}:{line_of(name, start)}" for name, start in waiting}


def line_of(name: str, start: int) -> int:
    return (CHART / "templates" / name).read_text("utf-8").count("\n", 0, start) + 1


def reached_branch(values: Values, chart: Path) -> tuple[str, int] | None:
    """The first marked branch that these values reach."""
    try:
        render(values, chart=chart)
    except RefusedError as refused:
        if match := re.search(r"branch (\S+) (\d+)\.", str(refused)):
            return match[1], int(match[2])
    return None
