"""What a pod is here: a folder, and a process that is started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tfconfig.local.launch import Launch
from tfconfig.tensorflow_job.lifecycle import usage
from tfconfig.tensorflow_job.lifecycle.shapes import ShapeError, parse_json
from tfconfig.tensorflow_job.lifecycle.state import Exit, Pod, Usage
from tfconfig.tensorflow_job.task import files, progress
from tfconfig.tensorflow_job.task.job_spec import Task
from tfconfig.tensorflow_job.task.usage import MAX_ANSWER_BYTES, PROCESSES_FILE

PROGRAM = Path(progress.__file__).parent


@dataclass
class LocalPod:
    """One task's pod; times in seconds since the epoch."""

    task: Task
    uid: str
    folder: Path
    created: float = field(default_factory=time.time)
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0  # of the process
    last_exit: Exit | None = None
    backoff: float = 0.0  # seconds before the next start
    deleted: float | None = None  # when it has to be gone
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def message_file(self) -> Path:
        """The termination message."""
        return self.folder / "message"

    def observed(self, run_id: str) -> Pod:
        """As the lifecycle sees it."""
        waits = self.process is None
        over = waits and self.deleted is not None and self.last_exit is not None  # the exit that ends the pod
        return Pod(
            task=self.task,
            uid=self.uid,
            run_id=run_id,
            created=self.created,
            status="Waiting" if waits else "Running",
            reason="CrashLoopBackOff" if waits and self.backoff else "",
            restarts=self.restarts - over,
            last=None if over else self.last_exit,
            current=self.last_exit if over else None,
            backoff=self.backoff if waits else 0.0,
            deleted=self.deleted,
        )

    def command(self, launch: Launch, run_id: str, config: Path) -> list[str]:
        """The command line of its process; `config` is the folder with job.json and status.json."""
        options = {
            "role": self.task.role,
            "index": self.task.index,
            "run-id": run_id,
            "grace": f"{launch.grace:g}",
            "config": config,
            "state": self.folder,
            "message": self.message_file,
            "parent": os.getpid(),
            "cpus": f"{launch.cpus:g}",
        }
        return [*launch.python, str(PROGRAM), "run", *(f"--{key}={value}" for key, value in options.items())]

    def usage(self) -> Usage | None:
        """What its process used that has ended; None where it did not come to say so."""
        try:
            return usage.parse(parse_json(files.read(str(self.folder / PROCESSES_FILE), MAX_ANSWER_BYTES)[0]))
        except (OSError, ShapeError):
            return None

    def signal(self, number: int) -> None:
        """Signal its process, if it runs."""
        if self.process and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)  # send_signal would reap it, and asyncio lose its exit status

    def ended(self, code: int, backoff: float) -> None:
        """Its process has exited, and is started again after `backoff` seconds."""
        try:
            message = self.message_file.read_text(errors="replace").strip()
        except FileNotFoundError:
            message = ""
        self.last_exit = Exit(code, "Completed" if code == 0 else "Error", message, time.time(), self.started)
        self.process, self.restarts, self.backoff = None, self.restarts + 1, backoff
