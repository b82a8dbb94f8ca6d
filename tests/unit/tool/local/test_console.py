"""How `tfconfig run` shows progress: a bar below the output on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tfconfig.local.console import ERASE, Console, bar
from tfconfig.local.kept_logs import KeptLogs
from tfconfig.tensorflow_job.lifecycle.state import Progress
from tfconfig.tensorflow_job.task.job_spec import Task

CHIEF = Task("chief", 0)
TOLD = Progress(CHIEF, 1200, 2000, 0.5, 100.0, 1.0)
METRICS = replace(TOLD, metrics={"accuracy": 0.75, "auc": 0.75})


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("told", "width", "line"),
    [
        (TOLD, 100, "█" * 12 + "░" * 8 + " step 1200 of 2000 (60 %), loss 0.5, 100 steps/s, 8 s left"),
        (TOLD, 30, "step 1200 of 2000 (60 %), loss"),
        (
            METRICS,
            120,
            "█" * 12 + "░" * 8 + " step 1200 of 2000 (60 %), loss 0.5, accuracy 0.75, auc 0.75, 100 steps/s, 8 s left",
        ),
        (METRICS, 80, "█" * 12 + "░" * 8 + " step 1200 of 2000 (60 %), loss 0.5, 100 steps/s, 8 s left"),
        (METRICS, 60, "step 1200 of 2000 (60 %), loss 0.5, 100 steps/s, 8 s left"),
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


@pytest.mark.parametrize(
    ("environment", "kind", "line"),
    [
        ({}, Terminal, "\033[36mchief-0  |\033[0m a line\n"),
        ({"NO_COLOR": "1"}, Terminal, "chief-0  | a line\n"),
        ({"FORCE_COLOR": "1"}, io.StringIO, "\033[36mchief-0  |\033[0m a line\n"),
    ],
)
def test_names_are_coloured_on_a_terminal_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], kind: type[io.StringIO], line: str
) -> None:
    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    stream = kind()
    Console([CHIEF], None, stream).feed(CHIEF, b"a line\n")
    assert stream.getvalue() == line


def test_without_colours_a_terminal_still_has_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    Console([CHIEF], None, stream).progress(TOLD)
    assert stream.getvalue().startswith(f"{ERASE}█")


def test_a_terminal_that_cannot_draw_over_a_line_gets_lines_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    console = Console([CHIEF], None, stream)
    console.progress(TOLD)
    console.end()
    assert stream.getvalue().startswith("tfconfig | step 1200 of 2000 (60 %)")
    assert "\033" not in stream.getvalue()


def test_a_line_that_is_drawn_over_is_its_last_state_after_the_tasks_name() -> None:
    stream = io.StringIO()
    console = Console([CHIEF], None, stream)
    console.feed(CHIEF, b"\r1/2 [=>..]" + b"\b" * 20)
    console.feed(CHIEF, b"\r2/2 [====]\x1b[K\nEpoch 2\r\n")
    assert stream.getvalue() == "chief-0  | 2/2 [====]\nchief-0  | Epoch 2\n"


def test_a_bar_of_one_long_line_is_shown_now_and_then_each_time_whole() -> None:
    stream = io.StringIO()
    console = Console([CHIEF], None, stream)
    for step in range(10_000):
        console.feed(CHIEF, b"\b" * 20 + b"\r%5d/10000 [....]" % step)
    console.feed(CHIEF, b"\n")
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) <= 12
    assert all(re.fullmatch(r"chief-0  \| [ \d]{5}/10000 \[\.{4}\]", line) for line in lines)


def test_a_reader_that_goes_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as stream:
        console = Console([CHIEF], KeptLogs(tmp_path, [CHIEF]), stream)
        console.feed(CHIEF, b"a line\n")
        console.say("another")
    assert console.broken
    assert (tmp_path / "chief-0.log").read_bytes() == b"a line\n"


def test_elsewhere_progress_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    console = Console([CHIEF], None, stream)
    for step in range(100):
        console.progress(Progress(CHIEF, step))
    console.end()
    assert stream.getvalue() == "tfconfig | step 0\n"


def test_a_terminal_without_the_characters_of_the_bar_gets_lines_of_progress() -> None:
    class Ascii(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    stream = Ascii(io.BytesIO(), "ascii", write_through=True)
    Console([CHIEF], None, stream).progress(TOLD)
    written = stream.buffer.getvalue()  # type: ignore[attr-defined]
    assert b"step 1200 of 2000 (60 %)" in written
    assert written.endswith(b"\n")
