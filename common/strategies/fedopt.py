"""FedOpt: the mean delta is a pseudo-gradient for an optimiser at the server.

Reddi 2021, algorithm 2. ``momentum`` is FedAvgM (Hsu 2019); ``adam`` and ``yogi`` follow algorithm
2 without bias correction, with ``v`` starting at ``tau^2``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.strategies import State, Strategy, Vector
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of FedOpt."""

    optimizer: str = setting(
        "momentum", doc="server optimiser", choices=("momentum", "adam", "yogi")
    )
    server_rate: float = setting(
        1.0,
        doc="server learning rate; 1 suits momentum, about 0.01 adam and yogi",
        low=1e-6,
        high=10.0,
    )
    beta1: float = setting(0.9, doc="decay of the first moment", low=0.0, high=0.999)
    beta2: float = setting(0.99, doc="decay of the second moment", low=0.0, high=0.9999)
    tau: float = setting(1e-3, doc="adaptivity: smallest denominator", low=1e-10, high=1.0)


def step(options: Options, state: State, mean_delta: Vector) -> tuple[State, Vector]:
    """Server half: first moment, second moment (adam, yogi), then the step."""
    if options.optimizer == "momentum":
        return _momentum(options, state, mean_delta)
    decay = np.float32(options.beta1)
    gain = np.float32(1 - options.beta1)
    first = state.get("m", np.zeros_like(mean_delta)) * decay + mean_delta * gain
    second = _second_moment(options, state, mean_delta)
    change = np.float32(options.server_rate) * first / (np.sqrt(second) + np.float32(options.tau))
    return {"m": first, "v": second}, change.astype(np.float32, copy=False)


def _momentum(options: Options, state: State, mean_delta: Vector) -> tuple[State, Vector]:
    """The first moment and the step along it."""
    decay = np.float32(options.beta1)
    # The first moment is a copy: the state must not share memory with the caller's mean.
    moment = state["m"] * decay + mean_delta if "m" in state else mean_delta.copy()
    return {"m": moment}, moment * np.float32(options.server_rate)


def _second_moment(options: Options, state: State, mean_delta: Vector) -> Vector:
    """Adam's running mean of squares, or Yogi's, which moves by the sign of its distance."""
    square = mean_delta * mean_delta
    before = state.get("v", np.full_like(mean_delta, options.tau**2))
    gain = np.float32(1 - options.beta2)
    if options.optimizer == "adam":
        return before * np.float32(options.beta2) + square * gain
    return before - gain * square * np.sign(before - square)


STRATEGY = Strategy(Options, step)
