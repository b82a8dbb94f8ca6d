"""The pipe for what one process prints."""

from __future__ import annotations

import asyncio
import contextlib
import os

from tfconfig.local.console import Console
from tfconfig.tensorflow_job.task.job_spec import Task

# How long output may still come once a task has ended: for ever, where a child of it keeps the pipe open.
OUTPUT_SECONDS = 5.0


class ProcessOutput:
    """Passes on to the console what a process writes to `write_end`.

    asyncio's own pipes delay Process.wait until the last holder of the pipe is gone: python/cpython#119710.
    """

    def __init__(self, console: Console, task: Task) -> None:
        self._console, self._task = console, task
        self._read_end, self.write_end = os.pipe()
        self._over = asyncio.Event()

    def start(self) -> None:
        """Pass on what comes; the process has its end by now."""
        os.close(self.write_end)
        os.set_blocking(self._read_end, False)
        asyncio.get_running_loop().add_reader(self._read_end, self._read)

    def _read(self) -> None:
        data = os.read(self._read_end, 64 * 1024)
        self._console.feed(self._task, data)
        if not data:
            asyncio.get_running_loop().remove_reader(self._read_end)
            self._over.set()

    async def close(self) -> None:
        """Wait for the rest, within OUTPUT_SECONDS."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._over.wait(), OUTPUT_SECONDS)
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)
        self._console.close(self._task)
