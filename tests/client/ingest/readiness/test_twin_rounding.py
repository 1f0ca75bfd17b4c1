"""Counts, sizes and spacings are coarse coarsely."""

from __future__ import annotations

import pytest

from client.ingest.readiness import twin_rounding


@pytest.mark.parametrize(
    ("count", "coarse"), [(0, 10), (1, 10), (12, 10), (13, 15), (43, 45), (1002, 1000)]
)
def test_counts_are_rounded(count: int, coarse: int) -> None:
    assert twin_rounding.rounded(count) == coarse


@pytest.mark.parametrize(
    ("value", "coarse"), [(1, 8), (31, 32), (100, 96), (224, 224), (1023, 1024), (2999, 3072)]
)
def test_sizes_are_coarse(value: int, coarse: int) -> None:
    assert twin_rounding.coarse_size(value) == coarse


@pytest.mark.parametrize(
    ("value", "coarse"), [(0.7, 0.5), (0.9, 1.0), (1.2, 1.0), (3.0, 2.0), (4.8, 5.0), (1.0, 1.0)]
)
def test_spacings_are_coarse(value: float, coarse: float) -> None:
    assert twin_rounding.coarse_step(value) == coarse


@pytest.mark.parametrize(
    ("value", "side", "bound"),
    [(3.0, 1, 4.0), (3.0, -1, 2.0), (-3.0, -1, -4.0), (-3.0, 1, -2.0), (0.0, 1, 0.0)],
)
def test_bounds_go_outward(value: float, side: int, bound: float) -> None:
    assert twin_rounding.outward(value, side) == bound


def test_shares_are_tenths_and_never_none() -> None:
    assert twin_rounding.tenths({"b": 1, "a": 99}) == {"a": 10, "b": 1}
    assert twin_rounding.tenths({}) == {}
