"""The one clock of a run: the API server's.

It writes when pods were made and have to be gone, and the times that the state keeps go on with the next controller on
another node. The clock of the lifecycle's own node may be minutes away from both; with it a pod deleted a moment ago
would look lost.

Each answer has a Date, to the second. Between the request and the answer the server's clock was somewhere between this
Date and a second later, which bounds how far it is from this process' monotonic clock. Within these bounds the node's
own clock is believed; otherwise the latest time is taken: what the server has made by now was not made in the future.
"""

from __future__ import annotations

import time
from datetime import timezone
from email.utils import parsedate_to_datetime


class ServerClock:
    """The server's time, in seconds since the epoch; this machine's before the first answer."""

    def __init__(self) -> None:
        self._offset: float | None = None  # between the server's clock and time.monotonic()

    def now(self) -> float:
        """The time now."""
        offset = self._offset
        return time.time() if offset is None else time.monotonic() + offset

    def heard(self, date: str | None, sent: float, received: float) -> None:
        """An answer with this Date came; `sent` and `received` by time.monotonic()."""
        try:
            parsed = parsedate_to_datetime(date or "")
        except (ValueError, TypeError):
            return
        second = parsed.replace(tzinfo=parsed.tzinfo or timezone.utc).timestamp()
        earliest, latest = second - received, second + 1.0 - sent
        if self._offset is None:
            own = time.time() - time.monotonic()
            self._offset = own if earliest <= own <= latest else latest
        self._offset = min(max(self._offset, earliest), latest)
