"""DenseNet (Huang et al. 2017), MONAI's.

The defaults are a small one; DenseNet-121 is 64 features, growth 32, blocks 6, 12, 24, 16.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from common.errors import StudyError
from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    features: int = setting(24, doc="channels of the first convolution", low=4, high=512)
    growth: int = setting(12, doc="channels that each layer adds", low=1, high=256)
    blocks: tuple[int, ...] = setting(
        (4, 4, 4, 4),
        doc="layers of each dense block; between two blocks the image is halved",
        low=1,
        high=64,
    )
    dropout: float = setting(
        0.0, doc="share of each layer's new channels dropped in training", low=0.0, high=0.9
    )
    norm: str = norm_setting()


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` of any size to logits ``[B, outputs]``.

    Raises:
        StudyError: no dense block.
    """
    if not options.blocks:
        raise StudyError("model.blocks is empty; give one number of layers for each dense block.")
    from monai.networks.nets.densenet import DenseNet  # noqa: PLC0415 (slow to import)

    network = DenseNet(
        spatial_dims=shape.dimensions,
        in_channels=shape.inputs,
        out_channels=shape.outputs,
        init_features=options.features,
        growth_rate=options.growth,
        block_config=options.blocks,
        dropout_prob=options.dropout,
    )
    # Halving rounds up, so that a thin volume never shrinks to nothing.
    for layer in network.modules():
        if isinstance(layer, (nn.AvgPool2d, nn.AvgPool3d)):
            layer.ceil_mode = True
        if isinstance(layer, nn.AvgPool3d):
            layer.__class__ = _Halving
    return normalised(network, options.norm, shape.dimensions)


class _Halving(nn.AvgPool3d):
    """A pooling that leaves a side of one pixel as it is, where torch's refuses a volume."""

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W, D]`` to half of each side, rounded up."""
        kernel = [min(2, side) for side in x.shape[2:]]
        return functional.avg_pool3d(x, kernel, stride=2, ceil_mode=True)


MODEL = Model(tasks=("classification",), options=Options, build=build)
