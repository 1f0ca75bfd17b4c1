"""Federated averaging: the global model moves by the weighted mean of the hospitals' deltas.

McMahan 2017, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.strategies import State, Strategy, Vector
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of FedAvg."""

    server_rate: float = setting(
        1.0, doc="share of the mean delta that the global model moves by", low=0.01, high=10.0
    )


def step(options: Options, state: State, mean_delta: Vector) -> tuple[State, Vector]:
    """Server half: ``step = server_rate * mean_delta``."""
    # Multiplying by 1 would change nothing and cost a pass over the whole model.
    if options.server_rate != 1.0:
        mean_delta *= options.server_rate
    return state, mean_delta


STRATEGY = Strategy(Options, step)
