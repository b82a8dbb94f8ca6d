"""Deletes pods over a few parallel connections: one by one, thousands would take minutes.

Which pods, in which order and with what grace is decided in freeing.py.
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable

from .kubernetes import ApiError, Client

CONNECTIONS = 8
REPEAT_SECONDS = 30.0  # a deletion may have had no effect; then it is asked for again


class Deleter:
    """Each pod is asked for once, until that may have had no effect."""

    def __init__(self, client: Client, log: Callable[[str], None], spawn: Callable[[Callable[[], None]], None]) -> None:
        self._client, self._log, self._spawn = client, log, spawn
        self._asked: dict[tuple[str, bool], float] = {}
        self._queue: queue.Queue[tuple[str, str, int | None, Callable[[], bool]] | None] = queue.Queue()
        self._threads = 0

    def delete(self, pod_name: str, uid: str, grace: int | None, needed: Callable[[], bool] = lambda: True) -> None:
        """Delete this pod soon, if that is still needed then and unless that was asked for lately."""
        if time.monotonic() < self._asked.get((uid, grace == 0), 0.0):
            return
        self._asked[uid, grace == 0] = math.inf  # thousands take their time
        self._queue.put((pod_name, uid, grace, needed))
        if self._threads < CONNECTIONS:
            self._threads += 1
            self._spawn(self._work)

    def flush(self, seconds: float) -> None:
        """Wait until all that was asked for is done, but not long."""
        deadline = time.monotonic() + seconds
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks and time.monotonic() < deadline:
                self._queue.all_tasks_done.wait(deadline - time.monotonic())

    def stop(self) -> None:
        """End its threads."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _work(self) -> None:
        tries = 0
        while request := self._queue.get():
            pod_name, uid, grace, needed = request
            again = REPEAT_SECONDS
            try:
                if needed():
                    self._client.delete_pod(pod_name, uid, grace)
                    tries = 0
            except ApiError as error:
                if error.temporary:
                    tries += 1
                    self._client.back_off(tries, error)
                    again = 0.0
                elif error.status not in (404, 409):  # gone, or the name is another pod's by now
                    # Not in our Role, say: a pod of an older, larger run. The scale to 0 takes it.
                    self._log(f"pod {pod_name} is not deleted by name: {error}")
            finally:
                self._asked[uid, grace == 0] = time.monotonic() + again
                self._queue.task_done()
