"""What is shown of a program's output, and where its error is found in it."""

from __future__ import annotations

import pytest

from tfconfig.tensorflow_job.lifecycle.drawn import MAX_LINE, shown
from tfconfig.tensorflow_job.lifecycle.last_lines import tail

from .failures import error

TRACEBACK = """Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    import pandas
ModuleNotFoundError: No module named 'pandas'
"""
NOISE = "2026-11-28 16:00:00.123456: I tensorflow/core/local_rendezvous.cc:404] Local rendezvous is aborting\n"
IGNORED = """Exception ignored in: <function AtomicFunction.__del__ at 0x7f>
Traceback (most recent call last):
  File "atomic_function.py", line 291, in __del__
TypeError: 'NoneType' object is not subscriptable
"""


def keras_bar(steps: int) -> str:
    """An epoch as Keras 2 draws it: one line, drawn over with backspaces and carriage returns."""
    line = ""
    for step in range(steps + 1):
        line += "\b" * 60 + f"\r{step:3}/{steps} [{'=' * (30 * step // steps):.<30}] - loss: {1 / (step + 1):.4f}"
    return line + "\n"


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("plain", "plain"),
        ("crlf\r", "crlf"),
        ("10 %\r50 %\r100 %", "100 %"),
        ("longer\rshort", "shortr"),
        ("abc\b\bX", "aXc"),
        ("\b\bx", "x"),
        ("\x1b[1m\x1b[32mgreen\x1b[0m", "green"),
        ("\x1b]0;title\x07text", "text"),
        ("bell\x07 and nul\x00", "bell and nul"),
        ("x" * (MAX_LINE + 1), "x" * MAX_LINE + "…"),
    ],
)
def test_a_line_is_what_a_terminal_shows_in_the_end(line: str, seen: str) -> None:
    assert shown(line) == seen


def test_a_progress_bar_is_its_last_state() -> None:
    text = keras_bar(100) + keras_bar(100) + "done\n"
    bar = f"100/100 [{'=' * 30}] - loss: 0.0099"
    assert tail(text, 20) == [bar, bar, "done"]


def test_the_last_lines_are_the_last_ones() -> None:
    assert tail("".join(f"{number}\n" for number in range(50)), 3) == ["47", "48", "49"]
    assert tail("one\n\n", 3) == ["one"]
    assert tail("", 3) == []


def test_a_traceback_that_noise_has_pushed_out_is_shown_before_the_last_lines() -> None:
    lines = tail("step 1\n" + TRACEBACK + NOISE * 60, 20)
    assert lines[:4] == TRACEBACK.splitlines()
    assert lines[4] == "(55 lines left out)"
    assert lines[5:] == NOISE.splitlines() * 5


def test_of_a_long_traceback_the_end_is_shown() -> None:
    frames = "".join(f"  File {number}\n" for number in range(40))
    lines = tail(f"Traceback (most recent call last):\n{frames}ValueError: deep\n" + NOISE * 60, 20)
    assert "ValueError: deep" in lines
    assert "  File 39" in lines
    assert len(lines) <= 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRACEBACK, "ModuleNotFoundError: No module named 'pandas'"),
        (TRACEBACK + NOISE * 30, "ModuleNotFoundError: No module named 'pandas'"),
        (TRACEBACK + IGNORED, "ModuleNotFoundError: No module named 'pandas'"),
        (keras_bar(50) + TRACEBACK, "ModuleNotFoundError: No module named 'pandas'"),
        ("Traceback (most recent call last):\n  File x\nKeyboardInterrupt\n", "KeyboardInterrupt"),
        (
            "Traceback (most recent call last):\n  File x\ntf.errors.UnavailableError: lost\nAdditional GRPC error\n",
            "tf.errors.UnavailableError: lost",
        ),
        (f"{TRACEBACK}\nDuring handling of the above, another occurred:\n\n{TRACEBACK}", TRACEBACK.splitlines()[-1]),
        (TRACEBACK + "caught it; going on\nDiskFull\n", ""),
        (IGNORED, ""),
        ("Traceback (most recent call last):\n  File x\n", ""),
        ("try\n", ""),
        ("", ""),
    ],
)
def test_the_error_is_reported_where_it_is_sure(text: str, expected: str) -> None:
    assert error(text) == expected
