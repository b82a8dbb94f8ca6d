"""What a program did to the checkpoint folder, and which tasks are done, kept there. Python 3.6.

A task that is done leaves an empty file. So its end is known although its pod went before any lifecycle had seen it:
the next pod of the task finds the file, and ends as the program did. The file is only valid for one incarnation of a
run (status.json): installed anew with the same values, the job trains again.

Volumes hang. So PID 1 never touches the folder itself: the process that becomes the program looks at it first, and
afterwards another one does, for which PID 1 waits a limited time. What it does not answer in time is not known.
"""

import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Tuple

from .folders import open_file, open_folder
from .job_spec import Task, name

if TYPE_CHECKING:
    from .contracts import JobSpec

LIMIT_SECONDS = 5.0
MAX_ENTRIES = 1000  # of the folder that are looked at one by one
OWN_FOLDER = ".tensorflow-job"
BEFORE = "checkpoints.json"  # in the folder of the pod: how the folder was before the program started


def note(job: "JobSpec", state: str) -> None:
    """Note how the folder is now; before the program starts. Raises OSError."""
    with open(os.path.join(state, BEFORE), "w") as file:
        json.dump(_entries(job), file)


def is_changed(job: "JobSpec", state: str) -> bool:
    """Whether something was written since `note`. Raises OSError."""
    with open(os.path.join(state, BEFORE)) as file:
        return bool(json.load(file) != _entries(job))


def is_empty(job: "JobSpec") -> bool:
    """Whether there is no file at all. Raises OSError."""
    return next(_files(job["checkpointDir"], _skipped(job)), None) is None


def mark(job: "JobSpec", incarnation: str, task: Task) -> Dict[str, Any]:
    """Keep that the task is done in this incarnation of its run. Raises OSError."""
    folder, file = os.path.split(_marker(job, incarnation, task))
    os.fsync(open_file(open_folder(job["checkpointDir"], folder), file, os.O_WRONLY))
    return {"marked": True}


def is_marked(job: "JobSpec", incarnation: str, task: Task) -> bool:
    """Whether `mark` was called, in whatever pod."""
    return os.path.exists(os.path.join(job["checkpointDir"], _marker(job, incarnation, task)))


def _marker(job: "JobSpec", incarnation: str, task: Task) -> str:
    run = "%s %s" % (job["runId"], incarnation.replace(":", ""))  # SMB has no colons
    return os.path.join(OWN_FOLDER, "done", run, name(task))


def _entries(job: "JobSpec") -> Dict[str, Any]:
    """Each file of the folder, or the first ones and the folders: path -> time and size.

    No times are compared but for equality.
    """
    entries = {}
    for path, status in _files(job["checkpointDir"], _skipped(job)):
        entries[path] = [status.st_mtime_ns, status.st_size]
        if len(entries) == MAX_ENTRIES:
            entries.update(_folders(job))
            break
    return entries


def _folders(job: "JobSpec") -> Dict[str, Any]:
    """The times of the folder and of those in it, which change with each new file among too many to look at."""
    top = job["checkpointDir"]
    with os.scandir(top) as entries:
        folders = {entry.path: entry for entry in entries if entry.is_dir(follow_symlinks=False)}
    times = {path: [entry.stat(follow_symlinks=False).st_mtime_ns] for path, entry in folders.items()}
    times = {path: time for path, time in times.items() if os.path.basename(path) not in _skipped(job)}
    times[top] = [os.stat(top).st_mtime_ns]
    return times


def _skipped(job: "JobSpec") -> Tuple[str, ...]:
    """What is not the program's."""
    return (OWN_FOLDER, "logs") if job["logs"] else (OWN_FOLDER,)


def _files(folder: str, skipped: Tuple[str, ...] = ()) -> Iterator[Tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.name in skipped:
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path, entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # of another task that goes on
            continue


def ask(question: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
    """The answer of another process, which may touch the volume; nothing when it fails or takes too long."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.write(write, json.dumps(question()).encode())
        finally:
            os._exit(0)
    os.close(write)
    until, text = time.monotonic() + LIMIT_SECONDS, b""
    while select.select([read], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(read, 65536)
        if not piece:
            break
        text += piece
    os.close(read)
    os.kill(child, signal.SIGKILL)  # a process that has ended stays until it is reaped
    try:
        answer = json.loads(text.decode())
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
