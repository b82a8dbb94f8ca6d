"""Which file a command line runs, and what only a shell understands."""

from __future__ import annotations

import pytest

from tfconfig.values.command_line import is_command, script_of, shell_syntax


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python3 train.py --epochs 3", "train.py"),
        ("/usr/bin/python3.11 -u -X dev -W ignore src/train.py", "src/train.py"),
        ("python3 -m trainer.task", ""),
        ("python3 -c pass", ""),
        ("python3 -", ""),
        ("python3 $(CODE)/train.py", ""),
        ("python3 -u", ""),
        ("bash -eu -o pipefail train.sh", "train.sh"),
        ("bash -euo pipefail train.sh", "train.sh"),
        ("sh -c train.py", ""),
        ("bash -lc train.py", ""),
        ("bash --login train.sh", ""),
        ("torchrun train.py", ""),
        ("./train.py", ""),
    ],
)
def test_the_script_of_an_interpreter_is_found_where_it_is_sure(command: str, script: str) -> None:
    assert script_of(command.split()) == script


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("python3 train.py --name=$(HOSTNAME) --x {1,2}", ""),
        ("sh -c 'cd /x && exec python3 train.py $HOME'", ""),
        ('sh -c "python3 train.py \\"a\\" | tee log"', ""),
        (r"find . -exec ls \;", ""),
        ("a&&b", "&&"),
        ("a 'b;c' ; d", ";"),
        ("a 2>&1", ">"),
        ("a <b", "<"),
        ("a `b`", "`"),
        ("a ${B}", "${B"),
    ],
)
def test_what_only_a_shell_understands_is_found_outside_of_quotes(text: str, found: str) -> None:
    assert shell_syntax(text) == found


@pytest.mark.parametrize(
    ("words", "so"),
    [("/usr/bin/python3 x", True), ("bash x", True), ("env A=1 x", True), ("train.py", False), ("", False)],
)
def test_an_interpreter_makes_a_command(words: str, so: bool) -> None:
    assert is_command(words.split()) == so
