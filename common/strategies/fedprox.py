"""FedProx: a spring holds each hospital's weights near the global model (Li 2020, equation 2).

The proximal term ``mu / 2 * |w - w_global|^2`` enters as its gradient ``mu * (w - w_global)``,
which spares the backward pass through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.strategies import State, Strategy, Vector
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of FedProx."""

    mu: float = setting(0.01, doc="strength of the proximal term", low=0.0, high=100.0)


def adjust(options: Options, parameters: Sequence[Any], anchors: Sequence[Any]) -> None:
    """Local half: add ``mu * (w - w_global)`` to each gradient."""
    for parameter, anchor in zip(parameters, anchors, strict=True):
        if parameter.grad is not None:
            parameter.grad.add_(parameter.detach() - anchor, alpha=options.mu)


def step(options: Options, state: State, mean_delta: Vector) -> tuple[State, Vector]:
    """Server half: the plain mean."""
    return state, mean_delta


STRATEGY = Strategy(Options, step, adjust, needs_anchors=True)
