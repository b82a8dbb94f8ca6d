"""Threads of the lifecycle: what ends one of them ends the main loop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .informer import Wakeup
from .kubernetes import Client


class Threads:
    """Starts threads that use this client."""

    def __init__(self, client: Client, wakeup: Wakeup) -> None:
        self._client, self._wakeup = client, wakeup

    def start(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread; what it raises, the main loop raises from `Wakeup.wait`."""
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            if not self._client.closed.is_set():
                self._wakeup.fail(error)
        finally:
            self._client.leave()
