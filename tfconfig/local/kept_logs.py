"""The files of `tfconfig run --logs`: a log of each task, and at the end the status of the job."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from tfconfig.tensorflow_job.task.job_spec import Task, name
from tfconfig.tensorflow_job.task.names import STATUS_KEY


class KeptLogs:
    """Empty logs in this folder, and no status of an earlier job; raises OSError where it cannot be written to.

    After that nothing raises: a file that cannot be written (a full disk) does not hold up the job. `error` says why.
    """

    def __init__(self, folder: Path, tasks: Iterable[Task]) -> None:
        self._folder = folder
        self.error = ""
        folder.mkdir(parents=True, exist_ok=True)
        for task in tasks:
            self._log(task).write_bytes(b"")
        (folder / STATUS_KEY).unlink(missing_ok=True)

    def add(self, task: Task, data: bytes) -> None:
        """Output of a task. After an error no more is written: what is there has no gaps."""
        if self.error:
            return
        try:
            with self._log(task).open("ab") as file:
                file.write(data)
        except OSError as error:
            self.error = f"{self._folder}: {error.strerror}"

    def keep_status(self, status: Path) -> None:
        """For `tfconfig report --local`: the whole document or none; none of a job that had not begun."""
        part = self._folder / f"{STATUS_KEY}.part"
        try:
            if status.exists():
                shutil.copyfile(status, part)
                part.replace(self._folder / STATUS_KEY)
        except OSError as error:
            self.error = self.error or f"{self._folder}: {error.strerror}"
            part.unlink(missing_ok=True)

    def _log(self, task: Task) -> Path:
        return self._folder / f"{name(task)}.log"
