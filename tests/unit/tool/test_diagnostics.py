"""Diagnostics: their order, their paths, and the lines that are shown with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.checking.reporters import text
from tfconfig.diagnostics import Diagnostic, Origin, dotted, ordered

SOURCE = {"v.yaml": "a: 1\nb:\n  c: 'é'\n" + f"d: {'x' * 500}y\n"}


def shown(line: int, column: int, end_line: int, end_column: int) -> list[str]:
    diagnostic = Diagnostic.at(Origin("v.yaml", line, column, end_line, end_column), "TFC012", "found", "do this")
    return text([diagnostic], SOURCE).splitlines()[1:-1]


def test_carets_stand_under_the_span() -> None:
    assert shown(3, 6, 3, 9) == ["  3 |   c: 'é'", "    |      ^^^"]


def test_span_of_several_lines_is_marked_on_its_first() -> None:
    assert shown(3, 3, 4, 2) == ["  3 |   c: 'é'", "    |   ^^^^^^"]


def test_empty_span_has_one_caret() -> None:
    assert shown(1, 4, 1, 4) == ["  1 | a: 1", "    |    ^"]


def test_long_line_is_cut() -> None:
    assert max(len(line) for line in shown(4, 504, 4, 505)) < 200


def test_carets_of_a_long_span_end_with_the_line_that_is_shown() -> None:
    line, carets = shown(4, 4, 4, 504)
    assert len(carets) == len(line) < 200


@pytest.mark.parametrize("line", [0, 5, 99])
def test_place_outside_of_the_file_has_no_snippet(line: int) -> None:
    assert shown(line, 1, line, 2) == []


@pytest.mark.parametrize(
    ("path", "written"),
    [(("a", "b"), "a.b"), (("a", 0, "b"), "a[0].b"), (("files", "x.py"), "files.'x.py'"), ((), "")],
)
def test_path_is_written_as_people_do(path: tuple[str | int, ...], written: str) -> None:
    assert dotted(path) == written


LINES = st.integers(0, 6)
DIAGNOSTICS = st.builds(
    Diagnostic, st.sampled_from(["TFC001", "TFC010"]), st.just("error"), st.text(max_size=5), st.text(max_size=5),
    st.sampled_from(["v.yaml", "w.yaml"]), LINES, LINES, LINES, LINES,
)  # fmt: skip


@given(st.lists(DIAGNOSTICS, max_size=6), st.randoms())
def test_order_does_not_depend_on_that_of_the_input(diagnostics: list[Diagnostic], random: object) -> None:
    mixed = [*diagnostics, *diagnostics]
    getattr(random, "shuffle")(mixed)  # noqa: B009
    assert ordered(mixed) == ordered(diagnostics)
