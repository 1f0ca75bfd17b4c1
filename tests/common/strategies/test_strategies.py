"""The contract that holds for every strategy."""

from __future__ import annotations

import numpy as np
import pytest

from common.strategies import Strategy
from common.study import plugins

MEAN = np.array([0.5, -1.0, 0.0], np.float32)


@pytest.mark.parametrize("name", plugins.names("common.strategies"))
def test_every_strategy_gives_a_finite_step_of_the_same_kind_without_torch(name: str) -> None:
    strategy: Strategy = plugins.load("common.strategies", name, "STRATEGY")
    state: dict[str, np.ndarray] = {}
    for _ in range(3):
        state, step = strategy.step(strategy.options(), state, MEAN.copy())
        assert step.dtype == np.float32 and step.shape == MEAN.shape and np.isfinite(step).all()
    assert all(v.dtype == np.float32 for v in state.values())
