"""The U-Nets are MONAI's with the stated arguments, weight for weight."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.nets.attentionunet import AttentionUnet
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.unet import UNet
from torch import nn

from common.errors import StudyError
from common.models import Shape
from common.models._norm import normalised
from common.models._unet import Levels, check_count, check_levels
from common.study import config, plugins

LEVELS = {
    "channels": (8, 16, 32),
    "strides": (2, 1),
    "kernel_size": 5,
    "up_kernel_size": 5,
    "dropout": 0.1,
}
OWN = {"channels": [8, 16, 32], "strides": [2, 1], "kernel_size": 5, "dropout": 0.1}
SIDES = {"spatial_dims": 2, "in_channels": 1, "out_channels": 3}


def _unet() -> nn.Module:
    settings: dict[str, Any] = {**SIDES, **LEVELS}
    relu = ("leakyrelu", {"inplace": True, "negative_slope": 0.1})
    return UNet(**settings, num_res_units=2, act=relu, norm="batch")


def _attention() -> nn.Module:
    return AttentionUnet(**SIDES, **LEVELS)  # type: ignore[arg-type]


def _dynunet() -> nn.Module:
    network = DynUNet(
        **SIDES,
        kernel_size=[3] * 3,
        strides=[1, 2, 2],
        upsample_kernel_size=[2, 2],
        filters=[8, 16, 32],
        norm_name="batch",
    )
    for name in ("input_block", "downsamples", "bottleneck", "upsamples"):
        delattr(network, name)
    return network


def _segresnet() -> nn.Module:
    return SegResNet(
        **SIDES, init_filters=8, dropout_prob=None, norm="batch", blocks_down=(1, 1), blocks_up=(1,)
    )


@pytest.mark.parametrize(
    ("name", "options", "direct", "norm", "divisible"),
    [
        ("unet", OWN, _unet, "instance", 2),
        ("attention_unet", OWN, _attention, "group", 2),
        ("dynunet", {"channels": [8, 16, 32]}, _dynunet, "instance", 4),
        ("segresnet", {"down": [1, 1], "up": [1]}, _segresnet, "group", 2),
    ],
)
def test_the_network_is_monais_weight_for_weight(
    name: str, options: dict[str, Any], direct: Any, norm: str, divisible: int
) -> None:
    plugin = plugins.load("common.models", name, "MODEL")
    torch.manual_seed(7)
    ours = plugin.build(config.load(plugin.options, options, "model"), Shape(2, 1, 3))
    torch.manual_seed(7)
    theirs = normalised(direct(), norm, 2, divisible)
    own, expected = ours.state_dict(), theirs.state_dict()
    assert list(own) == list(expected)
    assert all(torch.equal(own[key], expected[key]) for key in own)
    assert ours.divisible == divisible


def test_levels_that_do_not_fit_are_refused() -> None:
    check_levels((8, 16), (2,))
    with pytest.raises(StudyError, match=r"model\.channels has 1 entries; give two or more"):
        check_levels((8,), ())
    with pytest.raises(StudyError, match=r"model\.strides has 2 entries; give 1"):
        check_levels((8, 16), (2, 2))
    with pytest.raises(StudyError, match="give three or more"):
        check_count(2, 3)


def test_images_must_be_divisible_by_all_strides() -> None:
    assert Levels(strides=(2, 3, 1)).divisible == 6
