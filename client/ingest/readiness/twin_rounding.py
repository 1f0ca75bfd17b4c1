"""How coarsely a synthetic twin tells counts, sizes, spacings and values of a hospital."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

LEAST = 10
STEP = 5
T = TypeVar("T", bound=Hashable)


def rounded(count: int) -> int:
    """To fives, and never below ten."""
    return max(LEAST, STEP * round(count / STEP))


def tenths(counts: Mapping[T, int]) -> dict[T, int]:
    """Each count as tenths of all of them, at least one."""
    whole = max(1, sum(counts.values()))
    return {
        value: max(1, round(10 * count / whole)) for value, count in sorted(counts.items(), key=str)
    }


def coarse_size(n: int) -> int:
    """To an eighth of the next power of two, at least to multiples of eight pixels."""
    unit = max(8, 1 << max(0, (n - 1).bit_length() - 3))
    return max(unit, unit * round(n / unit))


def coarse_step(value: float) -> float:
    """To the nearest of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return round(min((1, 2, 5, 10), key=lambda factor: abs(factor * power - value)) * power, 6)


def outward(value: float, side: int) -> float:
    """To the next power of two away from the middle; 0 stays."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    grow = (value > 0) == (side > 0)
    exponent = math.ceil(math.log2(abs(value))) if grow else math.floor(math.log2(abs(value)))
    return math.copysign(2.0**exponent, value)
