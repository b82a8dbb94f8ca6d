"""A line chart as SVG, both axes logarithmic: enough for how a cost grows with the size of a job."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 40, 48
_COLOURS = ("#1a6fb5", "#d1600a", "#6b6b6b", "#2e8540")
_GREY = "#8886"


def chart(title: str, x_label: str, y_label: str, lines: Mapping[str, Points]) -> str:
    """The chart; each line has a name. All values must be positive."""
    x_axis = _Axis([x for points in lines.values() for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis([y for points in lines.values() for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        # Read on dark pages too.
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 22, title, size=14),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, x_label, anchor="middle"),
        _text(8, _TOP - 8, y_label, size=11),
    ]
    for value in x_axis.ticks():
        x = x_axis.place(value)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="{_GREY}"/>')
        parts.append(_text(x, _HEIGHT - _BOTTOM + 16, f"{value:,.10g}", anchor="middle"))
    for value in y_axis.ticks():
        y = y_axis.place(value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_GREY}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{value:,.10g}", anchor="end"))
    ends = _spread({name: y_axis.place(points[-1][1]) for name, points in lines.items()})
    for colour, (name, points) in zip(_COLOURS, lines.items(), strict=False):
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        parts.append(_text(_WIDTH - _RIGHT + 10, ends[name] + 4, name, colour=colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axis:
    """Places values between two pixels; the ends are whole powers of ten, or halfway."""

    def __init__(self, values: Sequence[float], low: float, high: float) -> None:
        least, most = math.log10(min(values)), math.log10(max(values))
        self._first, self._last = (
            math.floor(least * 2) / 2,
            max(math.ceil(most * 2) / 2, math.floor(least * 2) / 2 + 0.5),
        )
        self._low, self._high = low, high

    def place(self, value: float) -> float:
        """The pixel of a value."""
        share = (math.log10(value) - self._first) / (self._last - self._first)
        return self._low + share * (self._high - self._low)

    def ticks(self) -> list[float]:
        """The powers of ten on the axis."""
        return [10.0**power for power in range(math.ceil(self._first), math.floor(self._last) + 1)]


def _spread(places: Mapping[str, float]) -> dict[str, float]:
    """Names beside the ends of their lines, moved apart where they would overlap."""
    moved: dict[str, float] = {}
    for name, y in sorted(places.items(), key=lambda item: item[1]):
        moved[name] = max(y, max(moved.values(), default=-math.inf) + 15)
    return moved


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12, colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
    )
