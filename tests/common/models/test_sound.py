"""bf16 on a CPU gives the gradients of float32, also on narrow maps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.models._sound import sound


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (2, 8), (5, 5), (2, 2, 2), (2, 8, 8), (1, 1, 1)])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_agree_with_float32(size: tuple[int, ...], stride: int) -> None:
    kind = nn.Conv2d if len(size) == 2 else nn.Conv3d
    torch.manual_seed(0)
    layer, image = kind(16, 16, 3, stride, 1), torch.randn(4, 16, *size)
    layer(image).square().mean().backward()
    expected = layer.weight.grad
    layer.weight.grad = None
    narrow = sound(layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = narrow(image).float().square().mean()
    loss.backward()
    assert expected is not None and layer.weight.grad is not None
    assert torch.allclose(layer.weight.grad, expected, atol=0.05 * float(expected.abs().max()))


def test_names_and_weights_stay() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 1, 2, 2), nn.Conv3d(1, 1, 1))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    after = sound(net).state_dict()
    assert list(before) == list(after) and all(torch.equal(before[k], after[k]) for k in before)
    assert net[1](net[0](torch.rand(1, 1, 8, 8))).shape == (1, 1, 12, 12)
