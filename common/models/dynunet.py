"""The U-Net of nnU-Net (Isensee et al. 2021), MONAI's DynUNet, without deep supervision.

Its first level works at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.models._unet import Blocks, channels_setting, check_count, images
from common.study.config import setting

_FEWEST_LEVELS = 3
_UNUSED = ("input_block", "downsamples", "bottleneck", "upsamples")
"""Second names under which DynUNet registers the blocks of ``skip_layers``.

With them each weight would be stored, and travel, twice.
"""


@dataclass(frozen=True)
class Options(Blocks):
    """Settings of the network."""

    channels: tuple[int, ...] = channels_setting(
        (16, 32, 64, 128), more="; each level halves the image"
    )
    residual: bool = setting(False, doc="blocks with a shortcut")
    norm: str = norm_setting("instance")


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` to ``[B, outputs, H, W[, D]]``.

    Sides are a multiple of 2 to the power of the levels below the first.

    Raises:
        StudyError: fewer than three levels.
    """
    levels = len(options.channels)
    check_count(levels, _FEWEST_LEVELS)
    from monai.networks.nets.dynunet import DynUNet  # noqa: PLC0415 (slow to import)

    network = DynUNet(
        **images(shape),
        kernel_size=[options.kernel_size] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(options.channels),
        dropout=options.dropout or None,
        norm_name="batch",
        res_block=options.residual,
    )
    for name in _UNUSED:
        delattr(network, name)
    return normalised(network, options.norm, shape.dimensions, divisible=2 ** (levels - 1))


MODEL = Model(tasks=("segmentation",), options=Options, build=build)
