"""How far a program is: the file that it may write, and how the lifecycle learns of it. Python 3.6.

A program may write one line of JSON into the file that TASK_PROGRESS_FILE names, whenever it likes:

    {"step": 1200, "total": 5000, "loss": 0.13, "rate": 250.0}

`step` is required, the others are optional; `rate` is in steps per second, and any other name with a number is a
metric. The line may be written in place, or to another file that then replaces this one: what is not a whole JSON
object is ignored. While a program writes none, OBSERVED counts: what watch.py sees of it from outside.

Training pods have no permissions at the API, so they cannot write their progress into the status. The lifecycle asks
instead: every ten seconds it connects to PROGRESS_PORT of the one task that reports the job's progress, and PID 1 there
answers with one line and closes. While a node does not answer it asks every program, since the line also names the
peers that have been silent for long (silent.py). Nothing is read from the connection, so that there is nothing to
attack; the NetworkPolicy admits the lifecycle alone. (A marked line in the log would cost more, stand in the middle of
the program's output, and drown where it prints much.)

PID 1 answers while the program hangs. No answer says nothing about the program, and never counts as a stall.
When the program exits 0, its last progress goes into the termination message: nobody can be asked any more.
"""

import _socket
import contextlib
import json
import math
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from . import files, silent
from .job_spec import dumps
from .listener import listen
from .names import PORT

if TYPE_CHECKING:
    from .contracts import ProgressDocument, Source

FILE = "progress.json"
OBSERVED = "observed.json"
VARIABLE = "TASK_PROGRESS_FILE"

# Where progress is known from. What tells of single steps can show that a program hangs; the others tell too seldom.
PROGRAM: "Source" = "program"
OUTPUT: "Source" = "output"
EPOCHS: "Source" = "epochs"
TENSORBOARD: "Source" = "tensorboard"
CHECKPOINTS: "Source" = "checkpoints"
SOURCES: "Tuple[Source, ...]" = (PROGRAM, OUTPUT, EPOCHS, TENSORBOARD, CHECKPOINTS)
OFTEN = (PROGRAM, OUTPUT)

MAX_METRICS, MAX_NAME = 8, 40
_NO_METRICS = ("step", "total", "loss", "rate", "age", "metrics")

MAX_BYTES = 4096  # of a file or an answer
MAX_STEP = 2**63
SILENT_SECONDS = 20.0  # longer than TCP tries to send something (job_spec.GRPC_OPTIONS) ...
MAX_SILENT_BYTES = 1536  # ... and so much of an answer is about such peers, those that are silent longest


def latest(folder: str) -> "Optional[ProgressDocument]":
    """What the program whose pod has this folder reports, or else what is seen of it."""
    own = os.path.join(folder, FILE)
    return read(own if os.path.exists(own) else os.path.join(folder, OBSERVED))


def forget(folder: str) -> None:
    """Remove what is known of the container before."""
    for name in (FILE, OBSERVED):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(folder, name))


def read(path: str) -> "Optional[ProgressDocument]":
    """What the file says, with None for what it leaves out; None while it says nothing.

    `age` is in seconds since it was written: clocks of two nodes may differ, ages do not.
    """
    try:
        text, written = files.read(path, MAX_BYTES + 1)
    except OSError:
        return None
    return parse(text, max(0.0, time.time() - written))


def parse(text: bytes, age: Optional[float] = None) -> "Optional[ProgressDocument]":
    """A line of JSON as `read` returns it; None for anything else. `age` replaces the line's own."""
    if len(text) > MAX_BYTES:
        return None
    try:
        document = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    step = _count(document.get("step"))
    if step is None:
        return None
    given = _number(document.get("age")) if age is None else age
    return {
        "step": step,
        "total": _count(document.get("total")),
        "loss": _number(document.get("loss")),
        "rate": _number(document.get("rate")),
        "age": max(0.0, given or 0.0),
        "metrics": _metrics(document),
        "source": next((source for source in SOURCES if source == document.get("source")), PROGRAM),
    }


def _metrics(document: Dict[str, Any]) -> Dict[str, float]:
    """The numbers of any other name, also in a map `metrics`; the first few."""
    named = {name: value for name, value in document.items() if name not in _NO_METRICS}
    if isinstance(document.get("metrics"), dict):
        named.update(document["metrics"])
    metrics = {}  # type: Dict[str, float]
    for name, value in sorted(named.items()):
        number = _number(value)
        if number is not None and 0 < len(name) <= MAX_NAME and name.isprintable() and len(metrics) < MAX_METRICS:
            metrics[name] = number
    return metrics


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


class ProgressServer:
    """Sends to whoever connects the progress that is known, marked with this task and run, silent peers, and usage.

    `asked` is called after each answer. Raises OSError where the port is not free.
    """

    def __init__(
        self,
        folder: str,
        task: str,
        run_id: str,
        port: int,
        asked: Callable[[], None] = lambda: None,
        usage: Callable[[], Dict[str, Any]] = dict,
    ) -> None:
        self._folder, self._mark = folder, {"task": task, "runId": run_id}  # type: str, Dict[str, Any]
        self._last: "Optional[Tuple[float, ProgressDocument]]" = None
        self._listener, self._asked, self._usage = listen(port), asked, usage

    def fileno(self) -> int:
        """For select: readable when somebody connects."""
        return self._listener.fileno()

    def answer(self) -> None:
        """Serve one connection. Never blocks: the answer fits into the connection's own buffer."""
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:  # gone again
            return
        connection = _socket.socket(fileno=descriptor)
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.send(dumps(self._document()).encode() + b"\n")
        connection.close()
        self._asked()

    def close(self) -> None:
        """Free the port."""
        self._listener.close()

    def _document(self) -> Dict[str, Any]:
        now = time.time()
        current = latest(self._folder)
        if current:
            self._last = now - current["age"], current
        document = dict(self._mark, silent=_silent_peers(), usage=self._usage())
        if self._last is None:  # while a line is half written, the one before holds
            return document
        written, last = self._last
        return dict(last, age=max(0.0, now - written), **document)


def _silent_peers() -> List[str]:
    peers, size = [], 0
    for peer in silent.addresses(PORT, SILENT_SECONDS):
        size += len(peer) + 4
        if size > MAX_SILENT_BYTES:
            break
        peers.append(peer)
    return peers
