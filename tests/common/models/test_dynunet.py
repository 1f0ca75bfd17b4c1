"""The U-Net of nnU-Net is MONAI's, without the second names of its blocks."""

from __future__ import annotations

import pytest
from monai.networks.nets.dynunet import DynUNet
from torch import nn

from common.errors import StudyError
from tests.common.models.networks import SIDES, assert_equals_monais, build

SECOND_NAMES = ("input_block", "downsamples", "bottleneck", "upsamples")


def monais() -> nn.Module:
    """As MONAI builds it, with every block under one name."""
    network = DynUNet(
        **SIDES,
        kernel_size=[3] * 3,
        strides=[1, 2, 2],
        upsample_kernel_size=[2, 2],
        filters=[8, 16, 32],
        norm_name="batch",
    )
    for name in SECOND_NAMES:
        delattr(network, name)
    return network


def test_the_network_is_monais_weight_for_weight() -> None:
    options = {"channels": [8, 16, 32]}
    assert_equals_monais("dynunet", options, monais, norm="instance", divisible=4)


def test_no_weight_has_a_second_name() -> None:
    assert not [k for k in build("dynunet", 2).state_dict() if k.startswith(SECOND_NAMES)]


def test_fewer_than_three_levels_are_refused() -> None:
    with pytest.raises(StudyError, match="give three or more"):
        build("dynunet", 2, channels=[8, 16])
