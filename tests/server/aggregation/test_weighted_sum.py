"""The weighted mean is exact, and the same to the bit in any order of arrival."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from common.errors import RoundError
from server.aggregation.weighted_sum import WeightedSum


def _deltas(count: int, size: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [
        (generator.standard_normal(size) * 10.0 ** generator.integers(-6, 1, size)).astype(
            np.float32
        )
        for _ in range(count)
    ]


def _mean(deltas: list[np.ndarray], weights: list[float], order: tuple[int, ...]) -> np.ndarray:
    total = WeightedSum(deltas[0].size, 32.0, sum(weights))
    for i in order:
        total.fold([deltas[i]], [weights[i]])
    return total.mean()


def test_mean_agrees_with_an_oracle_in_double_precision() -> None:
    deltas, weights = _deltas(5, 200_003), [3.0, 400.0, 17.0, 91.0, 250.0]
    oracle = np.average(np.array(deltas, np.float64), axis=0, weights=weights)
    assert (
        np.abs(_mean(deltas, weights, (0, 1, 2, 3, 4)) - oracle).max()
        < 2e-7 * np.abs(oracle).max() + 1e-9
    )


def test_every_order_of_arrival_gives_the_same_bits() -> None:
    deltas, weights = _deltas(5, 3_001), [3.0, 400.0, 17.0, 91.0, 250.0]
    first = _mean(deltas, weights, (0, 1, 2, 3, 4)).tobytes()
    assert all(
        _mean(deltas, weights, order).tobytes() == first
        for order in itertools.permutations(range(5))
    )


def test_a_plain_float_sum_does_depend_on_the_order() -> None:
    """The control: without the fixed quantum, the property above does not hold."""
    deltas, weights = _deltas(5, 3_001), [3.0, 400.0, 17.0, 91.0, 250.0]
    sums = {
        sum(np.float32(weights[i]) * deltas[i] for i in order).tobytes()
        for order in itertools.permutations(range(5))
    }
    assert len(sums) > 1


def test_several_at_once_equal_one_by_one() -> None:
    deltas, weights = _deltas(4, 70_001), [1.0, 2.0, 3.0, 4.0]
    together = WeightedSum(70_001, 32.0, 10.0)
    together.fold(deltas, weights)
    assert together.mean().tobytes() == _mean(deltas, weights, (3, 1, 0, 2)).tobytes()


def test_extreme_changes_survive() -> None:
    delta = np.array([32.0, -32.0, 1e-9, 0.0], np.float32)
    total = WeightedSum(4, 32.0, 1_000_003.0)
    total.fold([delta], [1_000_003.0])
    assert np.abs(total.mean() - delta).max() < 1e-8


def test_read_only_vectors_are_accepted() -> None:
    total = WeightedSum(2, 32.0, 1.0)
    total.fold([np.frombuffer(np.array([1, 2], np.float32).tobytes(), np.float32)], [1.0])
    assert total.mean().tolist() == [1.0, 2.0]


def test_more_weight_than_declared_is_refused_and_changes_nothing() -> None:
    total = WeightedSum(1, 32.0, 2.0)
    total.fold([np.ones(1, np.float32)], [1.0])
    with pytest.raises(RoundError, match="declared"):
        total.fold([np.ones(1, np.float32)], [5.0])
    assert total.mean().tolist() == [1.0]


def test_no_update_has_no_mean() -> None:
    with pytest.raises(RoundError, match="No update"):
        WeightedSum(1, 32.0, 1.0).mean()
