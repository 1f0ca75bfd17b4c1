"""Shares: a hospital never counts for more than itself, whatever total the server names."""

from __future__ import annotations

import pytest

from common.privacy.sealing import share


@pytest.mark.parametrize(
    ("weight", "total", "expected"),
    [(1, 4, 0.25), (5, 5, 1.0), (5, 3, 1.0), (5, 0, 1.0), (0.5, 1, 0.5)],
)
def test_a_share_is_of_all_weights_and_at_most_one(
    weight: float, total: float, expected: float
) -> None:
    assert share(weight, total) == expected
