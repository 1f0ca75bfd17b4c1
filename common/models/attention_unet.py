"""Attention U-Net (Oktay et al. 2018), MONAI's: the level below weighs each skip connection.

MONAI's has batch and instance norm mixed and no argument for it, so the norm layers are exchanged
afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from common.models import Model, Shape
from common.models._norm import normalised
from common.models._unet import Levels, channels_setting


@dataclass(frozen=True)
class Options(Levels):
    """Settings of the network."""

    channels: tuple[int, ...] = channels_setting((8, 16, 32, 64), low=2)


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` to logits ``[B, outputs, H, W[, D]]``.

    Sides are a multiple of the product of the strides.

    Raises:
        StudyError: channels and strides do not fit together.
    """
    arguments = options.arguments(shape)
    from monai.networks.nets.attentionunet import AttentionUnet  # noqa: PLC0415 (slow to import)

    network = AttentionUnet(**arguments)
    return normalised(network, options.norm, shape.dimensions, divisible=options.divisible)


MODEL = Model(tasks=("segmentation",), options=Options, build=build)
