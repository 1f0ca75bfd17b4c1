"""The learning rate over the rounds: one curve over the whole study.

A hospital's steps thereby continue where its last round ended.
"""

from __future__ import annotations

import math

from common.study.study import Study


def rate_factor(study: Study, rounds_done: float) -> float:
    """Share of the peak learning rate after ``rounds_done`` rounds, which may be a fraction.

    Linear warm-up from a tenth, then constant, linear or half-cosine (Loshchilov & Hutter 2017,
    equation 5) to ``final_factor``.
    """
    training = study.training
    rounds = study.federation.rounds
    if rounds_done < training.warmup_rounds:
        return 0.1 + 0.9 * rounds_done / training.warmup_rounds
    if training.schedule == "constant":
        return 1.0
    share = min(
        1.0, (rounds_done - training.warmup_rounds) / max(1e-9, rounds - training.warmup_rounds)
    )
    fall = share if training.schedule == "linear" else (1 - math.cos(math.pi * share)) / 2
    return 1.0 - (1.0 - training.final_factor) * fall
