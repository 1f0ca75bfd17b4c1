"""The attention U-Net is MONAI's, with its mixed norm layers exchanged."""

from __future__ import annotations

from monai.networks.nets.attentionunet import AttentionUnet
from torch import nn

from tests.common.models.networks import LEVELS, OWN, SIDES, assert_equals_monais


def monais() -> nn.Module:
    """As MONAI builds it."""
    return AttentionUnet(**SIDES, **LEVELS)


def test_the_network_is_monais_weight_for_weight() -> None:
    assert_equals_monais("attention_unet", OWN, monais, norm="group", divisible=2)


def test_monai_still_mixes_two_kinds_of_norm() -> None:
    """The control: if this fails, MONAI has changed and may need no exchange any more."""
    kinds = {type(module).__name__ for module in monais().modules()}
    assert len(kinds & {"BatchNorm2d", "InstanceNorm2d"}) > 0
