"""U-Net with residual units (Ronneberger et al. 2015; Kerfoot et al. 2018), MONAI's, with leaky ReLU.

MONAI's default PReLU costs as much time on a CPU as the convolutions beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from common.errors import StudyError
from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    channels: tuple[int, ...] = setting(
        (16, 32, 64, 128), doc="channels of each level, finest first", low=1, high=2048
    )
    strides: tuple[int, ...] = setting(
        (2, 2, 2),
        doc="reduction from each level to the next, the image first; one fewer than channels",
        low=1,
        high=4,
    )
    residual_units: int = setting(
        2, doc="convolutions with a shortcut in each level; 0: one plain convolution", low=0, high=8
    )
    kernel_size: int = setting(3, doc="side of each convolution in pixels", choices=(3, 5, 7))
    dropout: float = setting(
        0.0, doc="share of each layer's values dropped in training", low=0.0, high=0.9
    )
    norm: str = norm_setting("instance")


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]``, sides a multiple of the product of the strides, to logits ``[B, outputs, H, W[, D]]``.

    Raises:
        StudyError: channels and strides do not fit together.
    """
    check_levels(options.channels, options.strides)
    from monai.networks.nets.unet import UNet  # noqa: PLC0415 (slow to import)

    network = UNet(
        spatial_dims=shape.dimensions,
        in_channels=shape.inputs,
        out_channels=shape.outputs,
        channels=options.channels,
        strides=options.strides,
        kernel_size=options.kernel_size,
        up_kernel_size=options.kernel_size,
        num_res_units=options.residual_units,
        act=("leakyrelu", {"inplace": True, "negative_slope": 0.1}),
        norm="batch",
        dropout=options.dropout,
    )
    return normalised(network, options.norm, shape.dimensions, divisible=math.prod(options.strides))


def check_levels(channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Refuse a list of levels that no U-Net has.

    Raises:
        StudyError: fewer than two levels, or not one stride fewer than levels.
    """
    if len(channels) < 2:
        raise StudyError(
            f"model.channels has {len(channels)} entries; give two or more, one for each level."
        )
    if len(strides) != len(channels) - 1:
        raise StudyError(
            f"model.strides has {len(strides)} entries; give {len(channels) - 1}, one fewer than model.channels."
        )


MODEL = Model(tasks=("segmentation",), options=Options, build=build)
