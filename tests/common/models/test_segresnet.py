"""SegResNet is MONAI's with the stated blocks; a decoder must fit its encoder."""

from __future__ import annotations

import pytest
from monai.networks.nets.segresnet import SegResNet
from torch import nn

from common.errors import StudyError
from tests.common.models.networks import SIDES, assert_equals_monais, build


def monais() -> nn.Module:
    """As MONAI builds it."""
    return SegResNet(
        **SIDES, init_filters=8, dropout_prob=None, norm="batch", blocks_down=(1, 1), blocks_up=(1,)
    )


def test_the_network_is_monais_weight_for_weight() -> None:
    options = {"down": [1, 1], "up": [1]}
    assert_equals_monais("segresnet", options, monais, norm="group", divisible=2)


@pytest.mark.parametrize(("down", "up"), [([1], []), ([1, 1], [1, 1]), ([1, 1, 1], [1])])
def test_a_decoder_that_does_not_fit_is_refused(down: list[int], up: list[int]) -> None:
    with pytest.raises(StudyError, match="one fewer than down"):
        build("segresnet", 2, down=down, up=up)
