"""Ranges of indexes as text: how status.json lists thousands of finished tasks in a few bytes. Python 3.6."""

from typing import Iterable, List


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
    """The indexes that format_ranges wrote."""
    indexes: List[int] = []
    for part in text.split(",") if text else []:
        low, _, high = part.partition("-")
        indexes.extend(range(int(low), int(high or low) + 1))
    return indexes
