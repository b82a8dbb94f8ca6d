"""Kubernetes quantities, such as 500m and 64Gi: read, added up exactly, written for people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal

_FORM = re.compile(r"([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([-+]?[0-9]+))?")
_DECIMAL = dict(zip(["n", "u", "m", "", "k", "M", "G", "T", "P", "E"], range(-9, 19, 3), strict=True))
_BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)}
_MOST = (1 << 63) - 1  # what Kubernetes cuts larger ones to
_UNIT = 10**9  # held in billionths: Kubernetes rounds up to these
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class Quantity:
    """An amount of something."""

    nanos: int = 0
    binary: bool = False  # written with Ki, Mi, Gi, …

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.binary or other.binary)

    def __mul__(self, times: int) -> Quantity:
        return Quantity(self.nanos * times, self.binary)

    def __str__(self) -> str:
        """Exact; Kubernetes reads it back as the same amount."""
        if self.nanos % _UNIT:
            unit, name = next((u, n) for u, n in ((10**6, "m"), (10**3, "u"), (1, "n")) if not self.nanos % u)
            return f"{self.nanos // unit}{name}"
        value, suffix = self.nanos // _UNIT, ""
        if self.binary:
            suffix = max(
                (s for s, size in _BINARY.items() if value and not value % size), key=_BINARY.__getitem__, default=""
            )
        return f"{value // _BINARY.get(suffix, 1)}{suffix}"

    def short(self) -> str:
        """For people: 12.01 rather than 12010m."""
        exact = str(self)
        return f"{self.nanos / _UNIT:.3f}".rstrip("0") if exact.endswith("m") and self.nanos > _UNIT else exact


def parse(value: object) -> Quantity:
    """A quantity as values give it, a text or a number; raises ValueError for what Kubernetes refuses."""
    match = _FORM.fullmatch(str(value))
    if isinstance(value, bool) or not match:
        raise ValueError(f"{value!r} is no quantity")
    number, suffix, exponent = match.groups()
    amount = Decimal(number)
    if exponent:
        amount = amount.scaleb(max(min(int(exponent[:6]), 99), -99), _EXACT)
    amount = _EXACT.multiply(amount, _BINARY.get(suffix, 0) or Decimal(10) ** _DECIMAL[suffix or ""])
    if abs(amount) >= _MOST:
        return Quantity(_MOST * _UNIT, suffix in _BINARY)
    return Quantity(int((amount * _UNIT).to_integral_value(ROUND_UP)), suffix in _BINARY)
