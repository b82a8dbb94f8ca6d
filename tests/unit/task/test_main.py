"""The start of the chart's program: which process compiles its modules, and signals that come so early."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.task.conftest import TASK, Container, job, shell

START = f"""
import importlib, json, os, runpy, sys
main = runpy.run_path({str(TASK / "__main__.py")!r})
compiled_apart = main["compiled_apart"]
used = compiled_apart.__globals__
%s
codes = compiled_apart(main["COMPILED"])
compiled = []
sys.addaudithook(lambda event, of: compiled.append(str(of[1])) if event == "compile" else None)
sys.meta_path.insert(0, main["Importer"](codes))
task = importlib.import_module(main["PACKAGE"] + ".task")
try:
    os.waitpid(-1, os.WNOHANG)
    raise SystemExit("a process is left")
except ChildProcessError:
    pass
print(json.dumps([[path for path in compiled if path.startswith(main["HERE"])], sorted(codes), task.__file__]))
"""


def start(trouble: str = "") -> tuple[list[str], list[str], str]:
    """Import a task as its process does: what that compiles, what was compiled in vain for it, and its file."""
    done = subprocess.run([sys.executable, "-S", "-c", START % trouble], capture_output=True, text=True, check=True)
    here, in_vain, file = json.loads(done.stdout)
    return here, in_vain, file


def test_another_process_compiles_what_a_task_imports_and_no_more() -> None:
    assert start() == ([], [], str(TASK / "task.py"))


@pytest.mark.parametrize(
    "trouble",
    [
        'main["COMPILED"] = ["no_such_module"]',
        "def fails(): raise BlockingIOError\nused['os'].fork = fails",
        "used['marshal'].dump = lambda *_: os.kill(os.getpid(), 9)",
    ],
)
def test_where_that_process_fails_the_task_starts_all_the_same(trouble: str) -> None:
    here, _, file = start(trouble)
    assert len(here) > 10
    assert file == str(TASK / "task.py")


def test_a_task_starts_where_ended_processes_are_not_waited_for(container: Container) -> None:
    container.write(job(program=shell("exit 7")))
    ignores = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", ignores, *container.task()], check=False, timeout=60)
    assert done.returncode == 7


def test_a_signal_that_comes_before_it_is_handled_is_not_lost(container: Container, tmp_path: Path) -> None:
    """To PID 1 the kernel delivers nothing that has no handler yet, but what is blocked."""
    copy = shutil.copytree(TASK, tmp_path / "task")
    with (copy / "names.py").open("a") as file:
        file.write("\nimport os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    container.write(job(program=shell("sleep 60")))
    command = [str(copy) if word == str(TASK) else word for word in container.task()]
    done = subprocess.run(command, check=False, timeout=60)
    assert done.returncode == 128 + signal.SIGTERM
    assert "asked to end" in container.message


@pytest.mark.parametrize("words", [[], ["walk"]])
def test_an_unknown_mode_is_answered_with_those_there_are(words: list[str]) -> None:
    done = subprocess.run([sys.executable, str(TASK), *words], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "run|serve|folder|interpreter" in done.stderr
