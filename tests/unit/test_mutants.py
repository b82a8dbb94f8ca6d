"""The changes by which hack/mutants breaks the code."""

from __future__ import annotations

import ast

from hack.mutants.changes import mutants

SOURCE = '''\
"""Docstring."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 4


def late(times: "list[int]", limit: int = 3, strict: bool = False) -> bool:
    """Docstring."""
    found = [time + 1 for time in times if time < limit and not strict]
    if not found:
        raise ValueError("none")
    times.clear()
    return bool(found)
'''


def test_each_kind_of_change_is_made_and_annotations_and_docstrings_are_left_alone() -> None:
    changes = {(mutant.line, mutant.old, mutant.new) for mutant in mutants("late.py", SOURCE)}
    assert changes == {
        (8, "3", "(4)"),
        (8, "False", "(True)"),
        (10, "time + 1", "(time - 1)"),
        (10, "1", "(2)"),
        (10, "time < limit and not strict", "(time < limit or not strict)"),
        (10, "time < limit", "(time <= limit)"),
        (10, "not strict", "(strict)"),
        (11, "not found", "(found)"),
        (12, 'raise ValueError("none")', "pass"),
        (13, "times.clear()", "pass"),
        (14, "return bool(found)", "return None"),
    }


def test_each_change_is_python_and_differs() -> None:
    for mutant in mutants("late.py", SOURCE):
        changed = (SOURCE.encode()[: mutant.start] + mutant.new.encode() + SOURCE.encode()[mutant.end :]).decode()
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(SOURCE)), str(mutant)
