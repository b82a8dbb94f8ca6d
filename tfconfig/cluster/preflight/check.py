"""The result of one check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tfconfig import terminal

Object = Mapping[str, Any]
PodCounts = Sequence[tuple[Object, int]]  # pods, and how many of each the job has
Result = Literal["ok", "warning", "error", "unknown"]
OK: Result = "ok"
WARNING: Result = "warning"
ERROR: Result = "error"
UNKNOWN: Result = "unknown"  # the user has no permission to see it, or only the cluster can tell


@dataclass(frozen=True)
class Check:
    """What was checked, the result, why, and what to do."""

    check: str
    result: Result
    message: str
    fix: str = ""


def table(checks: Iterable[Check], columns: int) -> list[str]:
    """A row for each check, and below it what to do."""
    rows: list[tuple[str, ...]] = []
    for check in checks:
        rows.append((check.check, check.result, check.message))
        if check.fix:
            rows.append(("", "", f"→ {check.fix}"))
    return terminal.table(("CHECK", "RESULT", "MESSAGE"), rows, columns)


def document(checks: Iterable[Check]) -> dict[str, Any]:
    """`tfconfig doctor -o json`; its schema: docs/schemas/doctor.schema.json."""
    return {"version": 1, "checks": [asdict(check) for check in checks]}
