"""The figures of one part, looked up by kind, size and command."""

from __future__ import annotations

import statistics

from .measure import Row


class Rows:
    """Figures by kind, size and command; of what was measured several times, the median of each figure."""

    def __init__(self, rows: list[Row]) -> None:
        alike: dict[tuple[str, int, str], list[Row]] = {}
        for row in rows:
            alike.setdefault((row["kind"], row.get("tasks", 0), row.get("command", "")), []).append(row)
        self._rows = [_median(several) for several in alike.values()]

    def all(self, kind: str) -> list[Row]:
        """All rows of a kind, in the order of their size."""
        return sorted((row for row in self._rows if row["kind"] == kind), key=lambda row: row.get("tasks", 0))

    def row(self, kind: str, tasks: int | None = None) -> Row:
        """The row of a kind and size; empty where there is none."""
        rows = [row for row in self.all(kind) if tasks in (None, row.get("tasks"))]
        return rows[-1] if rows else {}


def _median(rows: list[Row]) -> Row:
    """The median of each figure; of what is no number, the last."""
    return {
        key: statistics.median_low([row[key] for row in rows]) if isinstance(value, (int, float)) else value
        for key, value in rows[-1].items()
    }


def sizes(rows: Rows) -> list[int]:
    return [row["tasks"] for row in rows.all("release")]


def share(bare: Row, ours: Row) -> float:
    """Pods a second, as a share of the bare set's."""
    return float(ours["rate"] / bare["rate"])
