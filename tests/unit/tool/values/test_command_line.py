"""Which file a command line runs."""

from __future__ import annotations

import pytest

from tfconfig.values.command_line import script_of


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
