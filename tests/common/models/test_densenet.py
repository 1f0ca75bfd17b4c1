"""DenseNet: halving rounds up, so that a thin volume never shrinks to nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.errors import StudyError
from tests.common.models.networks import build


def test_a_thin_volume_passes_all_blocks() -> None:
    """Two pixels are one after the first convolution, which four poolings must leave."""
    network = build("densenet", 3, blocks=[1, 1, 1, 1])
    assert torch.isfinite(network(torch.randn(1, 1, 40, 40, 2))).all()


def test_every_pooling_between_blocks_rounds_up() -> None:
    pools = [m for m in build("densenet", 2).modules() if isinstance(m, nn.AvgPool2d)]
    assert pools
    assert all(pool.ceil_mode for pool in pools)


def test_growth_widens_every_layer() -> None:
    narrow = sum(p.numel() for p in build("densenet", 2, growth=4).parameters())
    wide = sum(p.numel() for p in build("densenet", 2, growth=8).parameters())
    assert narrow < wide


def test_no_block_is_refused() -> None:
    with pytest.raises(StudyError, match="for each dense block"):
        build("densenet", 2, blocks=[])


@pytest.mark.parametrize("size", [(6, 8, 4), (5, 7, 3)])
def test_volumes_that_are_not_thin_are_pooled_as_torch_does(size: tuple[int, int, int]) -> None:
    images = torch.randn(2, 3, *size)
    pools = [m for m in build("densenet", 3).modules() if isinstance(m, nn.AvgPool3d)]
    assert torch.equal(pools[0](images), nn.AvgPool3d(2, 2, ceil_mode=True)(images))
