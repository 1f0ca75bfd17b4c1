"""A change whose Euclidean norm is above what the hospital's policy allows is scaled down to it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from common.privacy.stage import ChangeStage, Rules
from common.update import Vector


class Clip(ChangeStage):
    """Limits how much one hospital can move the model."""

    def forward(self, change: Vector, rules: Rules) -> Mapping[str, Mapping[str, float]]:
        """Scale down; noted where something was scaled."""
        norm = clip(change, rules.largest_norm)
        if not norm > rules.largest_norm > 0:
            return {}
        return {"clipped": {"norm": norm, "allowed": float(rules.largest_norm)}}

    def reverse(self, mean: Vector) -> Vector:
        """What was scaled down stays so."""
        return mean


def clip(delta: Vector, largest: float) -> float:
    """Scale a change down, in place, to a Euclidean norm of at most ``largest`` (0: as it is).

    Returns:
        the norm that it had.
    """
    if largest <= 0:
        return 0.0
    # In parts and in float64: a float32 sum of squares over millions of weights loses digits.
    parts = np.array_split(delta.astype(np.float64), max(1, delta.size >> 16))
    norm = math.sqrt(sum(float(np.dot(part, part)) for part in parts))
    if norm > largest:
        # A hair below the limit, since the products are rounded to float32 once more.
        delta *= np.float32(largest / norm * (1 - 1e-6))
    return norm
