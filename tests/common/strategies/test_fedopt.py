"""FedOpt: each optimiser against its recurrence in the papers."""

from __future__ import annotations

import numpy as np
import pytest

from common.strategies import fedopt

MEAN = np.array([0.5, -1.0, 0.0], np.float32)


def test_momentum_follows_the_recurrence() -> None:
    options, state = fedopt.Options("momentum", 0.5, beta1=0.9), {}
    state, first = fedopt.step(options, state, MEAN.copy())
    state, second = fedopt.step(options, state, MEAN.copy())
    assert np.allclose(first, 0.5 * MEAN) and np.allclose(second, 0.5 * 1.9 * MEAN)


@pytest.mark.parametrize("kind", ["adam", "yogi"])
def test_adaptive_steps_follow_algorithm_2(kind: str) -> None:
    options, state = fedopt.Options(kind, 0.1, 0.9, 0.99, 1e-2), {}
    m, v = np.zeros(3), np.full(3, 1e-4)
    for delta in (MEAN, 2 * MEAN, -MEAN):
        state, step = fedopt.step(options, state, delta.copy())
        m = 0.9 * m + 0.1 * delta
        v = (
            0.99 * v + 0.01 * delta**2
            if kind == "adam"
            else v - 0.01 * delta**2 * np.sign(v - delta**2)
        )
        assert np.allclose(step, 0.1 * m / (np.sqrt(v) + 1e-2), rtol=1e-4)
