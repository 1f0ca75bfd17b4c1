"""The weighted mean of ten updates of 30 million weights.

Beside Flower's, and beside reading the same memory once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from common.update import Vector
from server.aggregation.weighted_sum import WeightedSum
from tests.benchmarks._result import Result, best

_SIZE, _TENSORS = 30_000_000, 50


def run() -> Iterator[Result]:
    """Same arrays, same weights, taken in turn in one process; the results are compared."""
    generator = np.random.default_rng(0)
    deltas = [
        generator.standard_normal(_SIZE, dtype=np.float32) * np.float32(1e-3) for _ in range(10)
    ]
    weights = [float(w) for w in range(10, 20)]
    ours = best(4, lambda: _mean(deltas, weights), time.perf_counter)
    records = [_record(delta, weight) for delta, weight in zip(deltas, weights, strict=True)]
    theirs = best(3, lambda: aggregate_arrayrecords(records, "num-examples"), time.perf_counter)
    limit = best(3, lambda: [delta.sum() for delta in deltas], time.perf_counter)
    _check(_mean(deltas, weights), aggregate_arrayrecords(records, "num-examples"))
    records.clear()
    yield Result(
        "aggregate/10 x 30M, speed",
        theirs / ours,
        "x Flower",
        4.0,
        lower=False,
        peer="Flower 1.41 aggregate_arrayrecords (s)",
        peer_value=theirs,
    )
    yield Result(
        "aggregate/10 x 30M",
        ours,
        "s",
        theirs / 4,
        peer="Flower 1.41 aggregate_arrayrecords",
        peer_value=theirs,
        limit=limit,
    )
    yield Result(
        "aggregate/after the last of 50 against of 5",
        _last(deltas[:1], 50) / _last(deltas[:1], 5),
        "x",
        1.3,
    )
    orders = {
        _mean([deltas[i] for i in order], [weights[i] for i in order]).tobytes()
        for order in _orders(generator)
    }
    yield Result(
        "aggregate/different results over 5 orders of arrival", float(len(orders)), "results", 1.0
    )


def _orders(generator: np.random.Generator) -> list[np.ndarray]:
    return [generator.permutation(10) for _ in range(5)]


def _mean(deltas: list[Vector], weights: list[float]) -> Vector:
    total = WeightedSum(_SIZE, 32.0, sum(weights))
    total.fold(deltas, weights)
    return total.mean()


def _last(delta: list[Vector], sites: int) -> float:
    """Seconds from the last update's arrival to the mean.

    The others have been folded as they came.
    """
    times = []
    for _ in range(3):
        total = WeightedSum(_SIZE, 32.0, float(sites))
        for _ in range(sites - 1):
            total.fold(delta, [1.0])
        began = time.perf_counter()
        total.fold(delta, [1.0])
        total.mean()
        times.append(time.perf_counter() - began)
    return min(times)


def _record(delta: Vector, weight: float) -> RecordDict:
    arrays = {str(i): Array(part) for i, part in enumerate(np.split(delta, _TENSORS))}
    return RecordDict(
        {"arrays": ArrayRecord(arrays), "metrics": MetricRecord({"num-examples": weight})}
    )


def _check(ours: Vector, theirs: ArrayRecord) -> None:
    flat = np.concatenate([array.numpy() for array in theirs.values()])
    if np.abs(flat - ours).max() > 1e-8:
        raise ValueError("the two means differ")
