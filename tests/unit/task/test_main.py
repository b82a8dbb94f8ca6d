"""The start of the chart's program: what compiles its modules."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.task.conftest import TASK

MAIN = TASK / "__main__.py"
START = f"""
import importlib, json, runpy, sys
main = runpy.run_path({str(MAIN)!r})
codes = main["compiled_apart"](%r or main["COMPILED"])
compiled = []
sys.addaudithook(lambda event, of: compiled.append(str(of[1])) if event == "compile" else None)
sys.meta_path.insert(0, main["Importer"](codes))
task = importlib.import_module(main["PACKAGE"] + ".task")
print(json.dumps([[path for path in compiled if path.startswith(main["HERE"])], sorted(codes), task.__file__]))
"""


def start(names: tuple[str, ...] = ()) -> tuple[list[str], list[str], str]:
    """Import a task as its process does: what that compiles, what other processes compiled in vain, and its file."""
    done = subprocess.run([sys.executable, "-S", "-c", START % (names,)], capture_output=True, text=True, check=True)
    here, in_vain, file = json.loads(done.stdout)
    return here, in_vain, file


def test_another_process_compiles_what_a_task_imports_and_no_more() -> None:
    assert start() == ([], [], str(MAIN.with_name("task.py")))


def test_where_that_process_fails_the_task_starts_all_the_same() -> None:
    here, _, file = start(("no_such_module",))
    assert len(here) > 10
    assert file == str(MAIN.with_name("task.py"))


@pytest.mark.parametrize("words", [[], ["walk"]])
def test_an_unknown_mode_is_answered_with_those_there_are(words: list[str]) -> None:
    done = subprocess.run([sys.executable, str(MAIN.parent), *words], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "run|serve|folder|interpreter" in done.stderr
