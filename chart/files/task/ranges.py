"""Ranges of indexes as text: how status.json lists thousands of finished tasks in a few bytes. Python 3.6."""

from typing import Iterable, List

MAX_INDEXES = 1000000  # the chart allows 100,000 tasks of a role


def format_ranges(indexes: Iterable[int]) -> str:
    """`0-3,7` for 0, 1, 2, 3 and 7."""
    ranges: List[List[int]] = []
    for index in sorted(indexes):
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ",".join(str(low) if low == high else "%d-%d" % (low, high) for low, high in ranges)


def parse_ranges(text: str) -> List[int]:
    """The indexes that format_ranges wrote. Raises ValueError for other texts."""
    indexes: List[int] = []
    for part in text.split(",") if text else []:
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if not (indexes[-1] if indexes else -1) < low <= high < MAX_INDEXES:
            raise ValueError("not ranges of increasing indexes: %s" % part)
        indexes.extend(range(low, high + 1))
    return indexes
