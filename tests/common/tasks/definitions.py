"""Measures written down from their definitions, which the implementations must equal."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np


def plain_iou(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes in corner form, axis by axis."""
    d = len(a) // 2
    shared = math.prod(max(0.0, min(a[d + k], b[d + k]) - max(a[k], b[k])) for k in range(d))
    size_a, size_b = (math.prod(box[d + k] - box[k] for k in range(d)) for box in (a, b))
    return shared / (size_a + size_b - shared)


def pair_count(scores: Any, positive: Any) -> float:
    """AUC from its definition: every pair of a positive and a negative, a tie counting half."""
    pairs = list(
        itertools.product(np.asarray(scores)[positive], np.asarray(scores)[~np.asarray(positive)])
    )
    return (
        float(np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs]))
        if pairs
        else math.nan
    )
