"""The weighted mean of the hospitals' updates.

Streaming, exact, the same to the bit in whatever order the updates arrive.

Each update is folded into the sum when it arrives and is then forgotten, so memory does not grow
with the number of hospitals. Floating-point sums depend on their order; therefore each contribution
``w * x`` is rounded once to a multiple of a fixed quantum and summed as a 40-bit integer (32 high
bits and 8 low bits in two arrays: 1.25 times the size of the model, where 64 bits would take twice
its size). The quantum is 2^-38 of the largest change that the study allows, about 1e-10 for the
default of 32: finer than float32 stores the weights themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from common.errors import RoundError
from common.update import Vector
from server.aggregation.kernels import BLOCK, compiled, over_blocks

_BITS = 38


@compiled("int64 int32 uint8")
def _load(
    total: npt.NDArray[np.int64], high: npt.NDArray[np.int32], low: npt.NDArray[np.uint8]
) -> None:
    for i in range(total.size):
        total[i] = (np.int64(high[i]) << 8) | np.int64(low[i])


@compiled("int64 int32 uint8")
def _store(
    total: npt.NDArray[np.int64], high: npt.NDArray[np.int32], low: npt.NDArray[np.uint8]
) -> None:
    for i in range(total.size):
        high[i] = np.int32(total[i] >> 8)
        low[i] = np.uint8(total[i] & 255)


@compiled("int64 read scale")
def _fold(total: npt.NDArray[np.int64], delta: Vector, scale: float) -> None:
    for i in range(total.size):
        total[i] += np.int64(np.rint(np.float64(delta[i]) * scale))


@compiled("int64 read scale read scale")
def _fold_two(
    total: npt.NDArray[np.int64], first: Vector, one: float, second: Vector, two: float
) -> None:
    for i in range(total.size):
        total[i] += np.int64(np.rint(np.float64(first[i]) * one)) + np.int64(
            np.rint(np.float64(second[i]) * two)
        )


@compiled("float32 int64 scale")
def _finish(out: Vector, total: npt.NDArray[np.int64], scale: float) -> None:
    for i in range(total.size):
        out[i] = np.float32(total[i] * scale)


class WeightedSum:
    """A running ``sum(weight * delta)`` over one round.

    Args:
        size: P, length of the vectors.
        largest_change: no ``|delta|`` may exceed it (the screen has checked).
        weight_limit: the weights of a round add up to at most this (the hospitals have declared
            theirs before the round).
    """

    def __init__(self, size: int, largest_change: float, weight_limit: float) -> None:
        self._high = np.empty(size, np.int32)
        self._low = np.empty(size, np.uint8)
        self._limit = 2.0 ** math.ceil(math.log2(weight_limit))
        self._quantum = 2.0 ** (math.ceil(math.log2(largest_change)) - _BITS)
        self.weight = 0.0
        self.count = 0

    def fold(self, deltas: Sequence[Vector], weights: Sequence[float]) -> None:
        """Add updates.

        Several at once share each pass over the sum; the result is the same as one by one.

        Raises:
            RoundError: the weights exceed the limit; the sum is unchanged.
        """
        if self.weight + sum(weights) > self._limit:
            raise RoundError(
                f"The weights of the round add up to {self.weight + sum(weights):g}; "
                f"at most {self._limit:g} were declared."
            )
        scales = [w / self._limit / self._quantum for w in weights]
        empty = self.count == 0

        def add(start: int, end: int, total: npt.NDArray[np.int64]) -> None:
            if empty:
                total.fill(0)
            else:
                _load(total, self._high[start:end], self._low[start:end])
            for i in range(0, len(deltas) - 1, 2):
                _fold_two(
                    total, deltas[i][start:end], scales[i], deltas[i + 1][start:end], scales[i + 1]
                )
            if len(deltas) % 2:
                _fold(total, deltas[-1][start:end], scales[-1])
            _store(total, self._high[start:end], self._low[start:end])

        self._blocks(add)
        self.weight += sum(weights)
        self.count += len(deltas)

    def mean(self) -> Vector:
        """The weighted mean ``[P]``, in the memory of the sum, which it uses up.

        Raises:
            RoundError: nothing was folded.
        """
        if not self.count:
            raise RoundError("No update was accepted, so there is no mean.")
        out, self.count = self._high.view(np.float32), 0
        scale = self._quantum * self._limit / self.weight

        def finish(start: int, end: int, total: npt.NDArray[np.int64]) -> None:
            _load(total, self._high[start:end], self._low[start:end])
            _finish(out[start:end], total, scale)

        self._blocks(finish)
        return out

    def _blocks(self, work: Callable[[int, int, npt.NDArray[np.int64]], None]) -> None:
        """Do ``work(start, end, scratch)`` over cache-sized blocks."""

        def run(first: int, last: int) -> None:
            scratch = np.empty(min(BLOCK, last - first), np.int64)
            for start in range(first, last, BLOCK):
                end = min(start + BLOCK, last)
                work(start, end, scratch[: end - start])

        over_blocks(self._high.size, run)
