"""How much work a call is, counted: a number that is the same on a busy machine."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import tfconfig

_ROOT = str(Path(tfconfig.__file__).parent)


def steps(call: Callable[[], object], limit: float = math.inf) -> int:
    """The bytecode instructions of the tool's own code in a call, loops and comprehensions included.

    A call that takes more than `limit` fails at once.
    """
    count = 0

    def count_in(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if event == "call":
            if not frame.f_code.co_filename.startswith(_ROOT):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        assert count <= limit, f"more than {limit} steps"
        return count_in

    before = sys.gettrace()
    sys.settrace(count_in)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
