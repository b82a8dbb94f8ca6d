"""Times as Kubernetes and status.json write them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import overload


@overload
def parse_time(text: str) -> float: ...
@overload
def parse_time(text: str | None) -> float | None: ...
def parse_time(text: str | None) -> float | None:
    """Seconds since the epoch; None where there is no time. Raises ValueError for another text."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def format_time(seconds: float) -> str:
    """To the second, as Kubernetes writes times."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_millis(seconds: float) -> str:
    """To the millisecond, as status.json stores times."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
