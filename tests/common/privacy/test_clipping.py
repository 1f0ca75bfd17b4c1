"""A change is never longer than the hospital allows, and is otherwise left alone to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from common.privacy.clipping import Clip, clip
from common.privacy.stage import Rules


def change(size: int, scale: float) -> np.ndarray:
    return (np.random.default_rng(size).normal(0, scale, size)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 7, (1 << 16) + 1, 1 << 18])
@pytest.mark.parametrize("largest", [1e-3, 0.5, 1e4])
def test_no_change_is_longer_than_allowed(size: int, largest: float) -> None:
    delta = change(size, 1.0)
    before = delta.astype(np.float64)
    norm = clip(delta, largest)
    after = float(np.linalg.norm(delta.astype(np.float64)))
    assert norm == pytest.approx(float(np.linalg.norm(before)), rel=1e-12) and after <= max(
        largest, 0
    )
    if norm > largest:
        assert after == pytest.approx(largest, rel=1e-5) and np.allclose(
            delta * (norm / largest), before, rtol=1e-5
        )
    else:
        assert np.array_equal(delta, before.astype(np.float32))


def test_without_a_limit_nothing_is_measured_nor_changed() -> None:
    delta = change(9, 1e9)
    before = delta.copy()
    assert clip(delta, 0.0) == 0.0 and np.array_equal(delta, before)
    assert Clip().forward(delta, Rules(0.0)) == {} and np.array_equal(delta, before)


def test_what_was_scaled_down_is_noted_and_stays_so() -> None:
    delta = np.full(4, 2.0, np.float32)
    assert Clip().forward(delta, Rules(1.0)) == {"clipped": {"norm": 4.0, "allowed": 1.0}}
    once = delta.copy()
    assert Clip().forward(delta, Rules(1.0)) == {} and np.array_equal(delta, once)
    assert np.array_equal(Clip().reverse(delta), once)
