"""Attention U-Net (Oktay et al. 2018), MONAI's: the skip connections are weighted by what the level below has found.

MONAI's has batch and instance norm mixed and no argument for it, so the norm layers are exchanged afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.models.unet import check_levels
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    channels: tuple[int, ...] = setting(
        (8, 16, 32, 64), doc="channels of each level, finest first", low=2, high=2048
    )
    strides: tuple[int, ...] = setting(
        (2, 2, 2),
        doc="reduction from each level to the next; one fewer than channels",
        low=1,
        high=4,
    )
    kernel_size: int = setting(3, doc="side of each convolution in pixels", choices=(3, 5, 7))
    dropout: float = setting(
        0.0, doc="share of each layer's values dropped in training", low=0.0, high=0.9
    )
    norm: str = norm_setting()


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]``, sides a multiple of the product of the strides, to logits ``[B, outputs, H, W[, D]]``.

    Raises:
        StudyError: channels and strides do not fit together.
    """
    check_levels(options.channels, options.strides)
    from monai.networks.nets.attentionunet import AttentionUnet  # noqa: PLC0415 (slow to import)

    network = AttentionUnet(
        spatial_dims=shape.dimensions,
        in_channels=shape.inputs,
        out_channels=shape.outputs,
        channels=options.channels,
        strides=options.strides,
        kernel_size=options.kernel_size,
        up_kernel_size=options.kernel_size,
        dropout=options.dropout,
    )
    return normalised(network, options.norm, shape.dimensions, divisible=math.prod(options.strides))


MODEL = Model(tasks=("segmentation",), options=Options, build=build)
