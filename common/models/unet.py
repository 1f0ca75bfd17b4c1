"""U-Net with residual units and leaky ReLU, MONAI's.

Ronneberger et al. 2015; Kerfoot et al. 2018.
MONAI's default PReLU costs as much time on a CPU as the convolutions beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.models._unet import Levels, channels_setting
from common.study.config import setting


@dataclass(frozen=True)
class Options(Levels):
    """Settings of the network."""

    channels: tuple[int, ...] = channels_setting((16, 32, 64, 128))
    residual_units: int = setting(
        2, doc="convolutions with a shortcut in each level; 0: one plain convolution", low=0, high=8
    )
    norm: str = norm_setting("instance")


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` to logits ``[B, outputs, H, W[, D]]``.

    Sides are a multiple of the product of the strides.

    Raises:
        StudyError: channels and strides do not fit together.
    """
    arguments = options.arguments(shape)
    from monai.networks.nets.unet import UNet  # noqa: PLC0415 (slow to import)

    network = UNet(
        **arguments,
        num_res_units=options.residual_units,
        act=("leakyrelu", {"inplace": True, "negative_slope": 0.1}),
        norm="batch",
    )
    return normalised(network, options.norm, shape.dimensions, divisible=options.divisible)


MODEL = Model(tasks=("segmentation",), options=Options, build=build)
