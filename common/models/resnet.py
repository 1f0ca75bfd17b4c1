"""ResNet (He et al. 2016), MONAI's.

The defaults are an 18-layer one of a quarter width; ResNet-18 has channels 64, 128, 256, 512.
MONAI's builder passes its norm argument to one layer only, so the norm layers are exchanged
afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from common.errors import StudyError
from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.study.config import setting

_STAGES = 4


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    channels: tuple[int, ...] = setting(
        (16, 32, 64, 128), doc="channels of the four stages", low=4, high=2048
    )
    layers: tuple[int, ...] = setting(
        (2, 2, 2, 2), doc="blocks in each of the four stages", low=1, high=64
    )
    block: str = setting(
        "basic",
        doc="basic: two 3x3 convolutions; bottleneck: 1x1, 3x3, 1x1 with four times the output",
        choices=("basic", "bottleneck"),
    )
    norm: str = norm_setting()


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` of any size to logits ``[B, outputs]``.

    Raises:
        StudyError: not four stages.
    """
    for name in ("channels", "layers"):
        count = len(getattr(options, name))
        if count != _STAGES:
            raise StudyError(
                f"model.{name} has {count} entries; give {_STAGES}, one for each stage."
            )
    from monai.networks.nets.resnet import ResNet  # noqa: PLC0415 (slow to import)

    network = ResNet(
        block=options.block,
        layers=list(options.layers),
        block_inplanes=list(options.channels),
        spatial_dims=shape.dimensions,
        n_input_channels=shape.inputs,
        conv1_t_stride=2,
        num_classes=shape.outputs,
        bias_downsample=False,
    )
    return normalised(network, options.norm, shape.dimensions)


MODEL = Model(tasks=("classification",), options=Options, build=build)
