"""How far a program is: the file it may write, and how the lifecycle gets to know of it. Python 3.6.

A program may write one line of JSON into the file that TASK_PROGRESS_FILE names, whenever it likes:

    {"step": 1200, "total": 5000, "loss": 0.13, "rate": 250.0}

`step` is needed, the others may be left out. Written to another file that then replaces this one, or in place: what is
not a whole JSON object is not looked at. `rate` is in steps per second.

Training pods have no rights at the API, so they cannot write it into the status. The lifecycle asks instead: it
connects to PORT of the one task that tells the job's progress (job.reporter), and the entrypoint, PID 1 there,
answers with one line and closes. That costs one short connection in ten seconds (observe.Asker) however many tasks
there are. A marked line in the log would cost more, stand in the middle of what the program prints, and drown where
it prints much. Nothing is read from who connects, so that there is nothing to attack; the NetworkPolicy lets the
lifecycle alone in.

PID 1 answers while the program hangs. No answer at all says nothing about the program, and is never taken for a stall.
When the program exits 0, what it told last goes into the termination message: nobody is there to be asked any more.
"""

import _socket  # what socket adds to it would take 0.4 MiB of every pod
import contextlib
import json
import math
import os
import time
from typing import Any, Dict, Mapping, Optional, Tuple

FILE = "progress.json"
VARIABLE = "TASK_PROGRESS_FILE"
PORT = 2223

LONGEST = 4096  # bytes of a file or an answer
MAX_STEP = 2**63


def read(path: str) -> Optional[Dict[str, Any]]:
    """What the file says as {step, total, loss, rate, age}, None for what it does not; None while it says nothing.

    `age` is in seconds since it was written: clocks of two nodes may differ, ages do not.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(LONGEST + 1)
            age = time.time() - os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    return checked(text, max(0.0, age))


def checked(text: bytes, age: Optional[float] = None) -> Optional[Dict[str, Any]]:
    """A line of JSON as `read` returns it; None for anything else. `age`: instead of the line's own."""
    if len(text) > LONGEST:
        return None
    try:
        said = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    step, total = _count(said.get("step")), _count(said.get("total"))
    if step is None:
        return None
    given = _number(said.get("age")) if age is None else age
    return {
        "step": step,
        "total": total,
        "loss": _number(said.get("loss")),
        "rate": _number(said.get("rate")),
        "age": max(0.0, given or 0.0),
    }


def _number(value: Any) -> Optional[float]:
    """A finite number: JSON has no other, and `loss` may well be NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(value: Any) -> Optional[int]:
    number = _number(value)
    if number is None or number != int(number) or not 0 <= number < MAX_STEP:
        return None
    return int(value)


class Teller:
    """Answers who connects to the port with the last whole line of the file, marked as of this task and run.

    Raises OSError from the constructor when the port cannot be had.
    """

    def __init__(self, path: str, task: str, run_id: str, port: int) -> None:
        self._path, self._mark = path, {"task": task, "runId": run_id}
        self._last: Optional[Tuple[float, Dict[str, Any]]] = None
        self._listener = _listen(port)

    def fileno(self) -> int:
        """For select: readable when somebody connects."""
        return self._listener.fileno()

    def answer(self) -> None:
        """Serve one connection. Waits for nobody: the answer fits into the connection's own buffer."""
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:  # gone again
            return
        connection = _socket.socket(fileno=descriptor)
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.send(json.dumps(self._said()).encode() + b"\n")
        connection.close()

    def close(self) -> None:
        """Free the port."""
        self._listener.close()

    def _said(self) -> Dict[str, Any]:
        now = time.time()
        found = read(self._path)
        if found:
            self._last = now - found["age"], found
        if self._last is None:  # while a line is half written, the one before holds
            return self._mark
        written, said = self._last
        return dict(said, age=max(0.0, now - written), **self._mark)


def _listen(port: int) -> _socket.socket:
    try:
        listener = _socket.socket(_socket.AF_INET6, _socket.SOCK_STREAM)
        listener.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 0)
    except OSError:  # a machine without IPv6
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind(("", port))
    except OSError:
        listener.close()
        raise
    listener.listen(16)
    return listener


def words(said: Mapping[str, Any]) -> str:
    """For people: `step 1200 of 5000 (24 %), loss 0.13, 250 steps/s, 15 s left`."""
    step, total, loss, rate = said["step"], said["total"], said["loss"], said["rate"]
    parts = ["step %d" % step]
    if total:
        parts = ["step %d of %d (%d %%)" % (step, total, 100 * min(step, total) // total)]
    if loss is not None:
        parts.append("loss %.4g" % loss)
    if rate is not None:
        parts.append("%.3g steps/s" % rate if rate < 100 else "%.0f steps/s" % rate)
    left = remaining(said)
    if left is not None:
        parts.append("%s left" % duration(left))
    return ", ".join(parts)


def remaining(said: Mapping[str, Any]) -> Optional[float]:
    """Seconds that are left at this rate; None where that cannot be told."""
    step, total, rate = said["step"], said["total"], said["rate"]
    return (total - step) / rate if total and rate and rate > 0 and total >= step else None


def duration(seconds: float) -> str:
    """`45 s`, `3:20 min` or `2:05 h`."""
    whole = int(seconds)
    if whole < 60:
        return "%d s" % whole
    if whole < 3600:
        return "%d:%02d min" % divmod(whole, 60)
    return "%d:%02d h" % divmod(whole // 60, 60)
