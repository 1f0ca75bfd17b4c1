"""Each strategy against its paper's equations, and the contract that holds for every one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from common.strategies import Strategy, fedavg, fedopt, fedprox
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


def test_fedavg_moves_by_the_mean() -> None:
    assert fedavg.step(fedavg.Options(), {}, MEAN.copy())[1].tolist() == MEAN.tolist()
    assert (
        fedavg.step(fedavg.Options(server_rate=0.5), {}, MEAN.copy())[1].tolist()
        == (MEAN / 2).tolist()
    )


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


def test_fedprox_equals_the_gradient_of_its_penalty() -> None:
    weights, anchor, mu = (
        torch.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([0.0, 3.0]),
        0.3,
    )
    (weights.sin().sum() + mu / 2 * (weights - anchor).square().sum()).backward()
    expected = weights.grad
    plain = torch.tensor([1.0, 2.0], requires_grad=True)
    plain.sin().sum().backward()
    fedprox.adjust(fedprox.Options(mu), [plain], [anchor])
    assert plain.grad is not None and expected is not None and torch.allclose(plain.grad, expected)
