"""Parts of detectors: strides double, a block starts as its shortcut, levels keep their size."""

from __future__ import annotations

import pytest
import torch

from common.models._fpn import Backbone, Pyramid, Residual, convolution


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(("side", "stride", "expected"), [(9, 1, 9), (9, 2, 5), (8, 2, 4)])
def test_a_convolution_rounds_the_extent_up(
    dimensions: int, side: int, stride: int, expected: int
) -> None:
    output = convolution(dimensions, 2, 3, stride=stride)(torch.randn(1, 2, *[side] * dimensions))
    assert output.shape == (1, 3, *[expected] * dimensions)


def test_a_block_starts_as_its_shortcut_alone() -> None:
    images = torch.randn(1, 8, 6, 6)
    assert torch.equal(Residual(2, 8, 8, "group", 1)(images), images.relu())


def test_each_stage_halves_the_extent_from_a_quarter_on() -> None:
    network = Backbone(dimensions=2, inputs=1, widths=(8, 12, 16), blocks=2, norm="group")
    features = network(torch.randn(1, 1, 32, 64))
    assert [f.shape[1:] for f in features] == [(8, 8, 16), (12, 4, 8), (16, 2, 4)]
    assert len(list(network.stages[0].children())) == 2


def test_levels_of_a_pyramid_are_as_large_as_their_features_and_finer_ones_see_coarser() -> None:
    pyramid = Pyramid(2, (8, 12), 4)
    fine = torch.zeros(1, 8, 7, 9)
    coarse = torch.randn(1, 12, 4, 5, requires_grad=True)
    levels = pyramid([fine, coarse])
    assert [level.shape for level in levels] == [(1, 4, 7, 9), (1, 4, 4, 5)]
    levels[0].sum().backward()
    assert coarse.grad is not None
    assert float(coarse.grad.abs().sum()) > 0
