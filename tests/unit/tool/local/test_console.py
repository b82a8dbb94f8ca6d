"""How `tfconfig run` shows progress: a bar below the output on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io

import pytest

from tfconfig.local.console import ERASE, Console, bar
from tfconfig.tensorflow_job.lifecycle.state import Progress
from tfconfig.tensorflow_job.task.job_spec import Task

CHIEF = Task("chief", 0)
TOLD = Progress(CHIEF, 1200, 2000, 0.5, 100.0, 1.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("told", "width", "line"),
    [
        (TOLD, 100, "█" * 12 + "░" * 8 + " step 1200 of 2000 (60 %), loss 0.5, 100 steps/s, 8 s left"),
        (TOLD, 30, "█" * 12 + "░" * 8 + " step 1200"),
        (Progress(CHIEF, 3000, 2000), 100, "█" * 20 + " step 3000 of 2000 (100 %)"),
        (Progress(CHIEF, 7), 100, "step 7"),
    ],
)
def test_the_bar(told: Progress, width: int, line: str) -> None:
    assert bar(told, width) == line


def test_on_a_terminal_the_bar_stays_below_what_is_printed_and_goes_at_the_end() -> None:
    stream = Terminal()
    console = Console([CHIEF], None, stream)
    console.progress(TOLD)
    console.feed(CHIEF, b"a line\n")
    console.end()
    console.say("over")
    _, first, second, third, last = stream.getvalue().split(ERASE)
    assert first.startswith("█")
    assert second.endswith("a line\n")
    assert third.startswith("█")
    assert last.endswith(" over\n")


def test_elsewhere_progress_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    console = Console([CHIEF], None, stream)
    for step in range(100):
        console.progress(Progress(CHIEF, step))
    console.end()
    assert stream.getvalue() == "tfconfig | step 0\n"
