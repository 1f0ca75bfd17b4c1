"""The U-Net of nnU-Net (Isensee et al. 2021), MONAI's DynUNet, without deep supervision. Its first level works at full resolution."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from common.errors import StudyError
from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.study.config import setting

_FEWEST_LEVELS = 3
_UNUSED = ("input_block", "downsamples", "bottleneck", "upsamples")
"""Second names under which DynUNet registers the blocks of ``skip_layers``; with them each weight would be stored twice."""


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    channels: tuple[int, ...] = setting(
        (16, 32, 64, 128),
        doc="channels of each level, finest first; each level halves the image",
        low=1,
        high=2048,
    )
    kernel_size: int = setting(3, doc="side of each convolution in pixels", choices=(3, 5, 7))
    residual: bool = setting(False, doc="blocks with a shortcut")
    dropout: float = setting(
        0.0, doc="share of each layer's values dropped in training", low=0.0, high=0.9
    )
    norm: str = norm_setting("instance")


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]``, sides a multiple of 2 to the power of the levels below the first, to ``[B, outputs, H, W[, D]]``.

    Raises:
        StudyError: fewer than three levels.
    """
    levels = len(options.channels)
    if levels < _FEWEST_LEVELS:
        raise StudyError(
            f"model.channels has {levels} entries; give {_FEWEST_LEVELS} or more, one for each level."
        )
    from monai.networks.nets.dynunet import DynUNet  # noqa: PLC0415 (slow to import)

    network = DynUNet(
        spatial_dims=shape.dimensions,
        in_channels=shape.inputs,
        out_channels=shape.outputs,
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
