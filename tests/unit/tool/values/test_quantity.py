"""Quantities are those of Kubernetes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.values.quantity import Quantity, parse

NUMBERS = st.decimals(0, 10**6, places=3).map(str)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("1", 10**9),
        (2, 2 * 10**9),
        (0.5, 5 * 10**8),
        ("500m", 5 * 10**8),
        ("1e3", 10**12),
        ("1E3", 10**12),
        ("1E", 10**27),
        ("1.5Gi", 1536 * 1024**2 * 10**9),
        (".5", 5 * 10**8),
        ("1n", 1),
        ("0.1n", 1),
        ("1e-999999999", 1),
        ("1e999999999", ((1 << 63) - 1) * 10**9),
        ("16Ei", ((1 << 63) - 1) * 10**9),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: object, nanos: int) -> None:
    assert parse(text).nanos == nanos


@pytest.mark.parametrize("text", ["", "1K", "NaN", " 1Gi", "1_000", True, "1e", "Gi", "1Gi ", "\u0661"])
def test_what_kubernetes_refuses_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        parse(text)


@given(NUMBERS, st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "u", "n"]), st.integers(1, 9))
def test_what_is_written_is_the_same_amount(number: str, suffix: str, times: int) -> None:
    amount = parse(number + suffix) * times + parse("1Mi")
    assert parse(str(amount)).nanos == amount.nanos
    if suffix == "Mi":
        assert amount.nanos >= Decimal(number) * 1024**2 * times * 10**9


def test_a_quantity_is_written_short() -> None:
    assert [str(parse(item)) for item in ("1024Mi", "1000m", "2500m", "0", "0Gi", "1e3")] == [
        "1Gi", "1", "2500m", "0", "0", "1000"
    ]  # fmt: skip
    assert Quantity() + parse("1Gi") == parse("1Gi")
    assert [parse(item).short() for item in ("12010m", "500m", "1n", "3")] == ["12.01", "500m", "1n", "3"]
