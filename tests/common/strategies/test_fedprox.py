"""FedProx: the pull is the gradient of its penalty."""

from __future__ import annotations

import torch

from common.strategies import fedprox


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
