"""Looks how far a program is, from outside: at its output, its TensorBoard events, its checkpoints. Python 3.6.

It lives in the process that copies the output (output.py) and leaves what it sees in OBSERVED, which PID 1 reads as it
reads what a program reports itself. It may not hold up the program: it looks at the output for 2 % of the time at
most, and a thread looks at the volume, which may hang. `job["progress"]` says what it may look at; the first source of
that list that tells anything counts.
"""

import json
import os
import re
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from .event_files import MARK, EventFile
from .output import write_line
from .printed import Printed, check, finite, first_metrics
from .progress import CHECKPOINTS, MAX_NAME, OBSERVED, OUTPUT, TENSORBOARD

if TYPE_CHECKING:
    from .contracts import JobSpec

WRITE_SECONDS = 1.0
LOOK_SECONDS = 10.0  # between looks at the volume ...
LOOK_SHARE = 20.0  # ... and at least so many times what the last one took
MAX_LEFT_OUT = 4096  # bytes, that are looked at in the end
SHARE, BURST_SECONDS = 0.02, 0.1  # of the time, for the output
MATCH_SECONDS = 0.2  # for a pattern of the user's own, which may never end
MAX_FILES, MAX_EVENT_FILES, MAX_DEPTH = 2000, 20, 4

_SKIPPED = re.compile(r"(?i)^\.|^logs$|eval|valid|^test")  # folders with something else than the training's steps
_SAVED = re.compile(
    r"(?i)^(?:.*[-_.])?(?:ckpt|checkpoint|cp|weights|model|step|epoch|iter)[-_.]?(\d{1,9})(?!\d)"
    r"(?:[-_.].*)?$"
)
_BREAK = re.compile(b"[\r\n]")
_DATE = re.compile(r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:[0-2]\d|3[01])(?!\d)")
_NO_CHECKPOINT = re.compile(r"\.(?:data-\d+-of-\d+|meta|tmp|part|json|txt|pbtxt|log|tfevents\..*)$|tfevents|temp")


class _TooSlowError(Exception):
    pass


class Watch:
    """A sink of output.py, and the thread that looks at the checkpoint folder."""

    def __init__(self, job: "JobSpec", state: str) -> None:
        self._sources: List[str] = list(job["progress"]["sources"])
        self._path = os.path.join(state, OBSERVED)
        own = job["progress"]["pattern"]
        wrong = check(own) if own and OUTPUT in self._sources else ""
        if wrong:
            write_line("progress.pattern: %s; the program's output is not looked at" % wrong)
        self._printed: Optional[Printed] = Printed(own) if OUTPUT in self._sources and not wrong else None
        self._alarm = bool(own)
        if self._alarm:
            signal.signal(signal.SIGALRM, _too_slow)
        folder = job["checkpointDir"] if {TENSORBOARD, CHECKPOINTS} & set(self._sources) else ""
        self.folder = Folder(folder, self._sources) if folder else None
        self._began = time.monotonic()
        self._left_out = b""  # the end of it, if that was not looked at
        self.spent = 0.0  # seconds that looking at the output took
        self._news, self._closing = threading.Event(), threading.Event()
        self._written: Any = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Look at some output, if there is time for it."""
        if self._printed is None:
            return
        if self.spent > BURST_SECONDS + SHARE * (time.monotonic() - self._began):
            self._printed.skip()
            self._left_out = (self._left_out + data)[-MAX_LEFT_OUT:]
            return
        self._left_out = b""
        self._look(data)

    def _look(self, data: bytes) -> None:
        if self._printed is None:
            return
        begun = time.monotonic()
        try:
            if self._feed(self._printed, data):
                self._news.set()
        except Exception as error:  # whatever it is, the output goes on
            self._printed = None
            if not isinstance(error, _TooSlowError):
                write_line("the output is no longer looked at for its progress: %r" % error)
                return
            write_line("progress.pattern takes too long for a line of this program; its output is no longer looked at")
        self.spent += time.monotonic() - begun

    def _feed(self, printed: Printed, data: bytes) -> bool:
        if not self._alarm:
            return printed.feed(data)
        signal.setitimer(signal.ITIMER_REAL, MATCH_SECONDS)  # re looks for signals while it searches
        try:
            return printed.feed(data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def close(self, seconds: float) -> None:
        """Look for the last time and write, within this time."""
        # What came last, if there was no time for it; and a last line, or bar, may have no end.
        self._look(b"".join(_BREAK.split(self._left_out, 1)[1:]) + b"\n")
        self._closing.set()
        self._news.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        next_look = 0.0
        while True:
            over = self._closing.is_set()
            if self.folder and (over or time.monotonic() >= next_look):
                begun = time.monotonic()
                self.folder.look()
                now = time.monotonic()
                next_look = now + max(LOOK_SECONDS, LOOK_SHARE * (now - begun))
            self._write()
            if over:
                return
            self._closing.wait(WRITE_SECONDS)
            self._news.wait(max(0.0, next_look - time.monotonic()) if self.folder else None)
            self._news.clear()

    def _write(self) -> None:
        document = self._document()
        if document is None or document == self._written:
            return
        try:
            with open(self._path + ".part", "w") as file:
                json.dump(document, file)
            os.replace(self._path + ".part", self._path)
        except (OSError, ValueError):
            return
        self._written = document

    def _document(self) -> Optional[Dict[str, Any]]:
        for source in self._sources:
            if source == OUTPUT:
                document = self._printed.document if self._printed else None
            else:
                document = self.folder.documents.get(source) if self.folder else None
            if document:
                return document
        return None


class Folder:
    """The checkpoint folder: what is in it that was not there when the program began."""

    def __init__(self, root: str, sources: Any) -> None:
        self._root, self._sources = root, sources
        self._before: Dict[str, Tuple[float, int]] = {}
        self._events: Dict[str, EventFile] = {}
        self.documents: Dict[str, Dict[str, Any]] = {}
        self.looked = False

    def look(self) -> None:
        """Update `documents`. What cannot be read tells nothing."""
        try:
            files = dict(_files(self._root, MAX_DEPTH))
        except FileNotFoundError:  # the program has not made it yet
            files = {}
        except OSError:
            return
        if not self.looked:
            self._before = files
            for path, (_, size) in files.items():
                if MARK in os.path.basename(path):
                    self._events[path] = EventFile(path, size)
            self.looked = True
        if TENSORBOARD in self._sources:
            self._read_events(files)
        if CHECKPOINTS in self._sources:
            new = (path for path, status in files.items() if self._before.get(path) != status)
            steps = [step for step in map(saved_step, map(os.path.basename, new)) if step is not None]
            if steps:
                self.documents[CHECKPOINTS] = {"step": max(steps), "source": CHECKPOINTS}

    def _read_events(self, files: Dict[str, Tuple[float, int]]) -> None:
        newest = sorted((path for path in files if MARK in os.path.basename(path)), key=lambda path: -files[path][0])
        best: Optional[EventFile] = None
        for path in newest[:MAX_EVENT_FILES]:
            event_file = self._events.setdefault(path, EventFile(path))
            try:
                event_file.read_more()
            except OSError:
                continue
            if event_file.step is not None and (best is None or event_file.step > (best.step or 0)):
                best = event_file
        if best is not None:
            self.documents[TENSORBOARD] = _from_events(best)


def saved_step(name: str) -> Optional[int]:
    """The step, or epoch, in the name of a checkpoint: `model.ckpt-1200.index`, `weights.03-0.48.h5`, `ckpt-7`."""
    if _NO_CHECKPOINT.search(name):
        return None
    match = _SAVED.match(name)
    return int(match.group(1)) if match and not _DATE.match(name, match.start(1)) else None


def _from_events(events: EventFile) -> Dict[str, Any]:
    values: Dict[str, float] = {}
    for tag, value in events.values.items():
        name = re.sub(r"^(epoch|batch)_", "", tag.rpartition("/")[2] if tag.startswith("train/") else tag)
        values[name[:MAX_NAME]] = value
    rate = values.pop("global_step/sec", values.pop("steps_per_second", None))
    others = (value for name, value in values.items() if name.endswith("loss"))
    loss = values.pop("loss") if "loss" in values else next(others, None)
    return {
        "step": events.step,
        "loss": finite(loss),
        "rate": finite(rate),
        "metrics": first_metrics(values),
        "source": TENSORBOARD,
    }


def _files(root: str, depth: int) -> Iterator[Tuple[str, Tuple[float, int]]]:
    """Path, time and size of up to MAX_FILES files; of folders whose name is that of a checkpoint, the folder."""
    left = [(root, depth)]
    count = 0
    while left and count < MAX_FILES:
        folder, depth = left.pop()
        for entry in _entries(folder, folder == root):
            count += 1
            if count > MAX_FILES:
                return
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_folder and depth and not _SKIPPED.search(entry.name):
                    left.append((entry.path, depth - 1))
                if not is_folder or saved_step(entry.name) is not None:
                    status = entry.stat(follow_symlinks=False)
                    yield entry.path, (status.st_mtime, 0 if is_folder else status.st_size)
            except OSError:  # of another task that goes on
                continue


def _entries(folder: str, is_root: bool) -> "Iterator[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:  # another user's, or gone by now: the others tell
        if is_root:
            raise


def _too_slow(*_: Any) -> None:
    raise _TooSlowError()
