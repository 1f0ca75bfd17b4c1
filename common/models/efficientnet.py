"""EfficientNet (Tan and Le 2019), MONAI's, from random weights.

MONAI fixes the padding of each convolution for one image size, which breaks small images; here it
follows from the kernel alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    size: str = setting(
        "b0",
        doc="scaling of width, depth and dropout as published",
        choices=("b0", "b1", "b2", "b3", "b4"),
    )
    norm: str = norm_setting()


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` of any size to logits ``[B, outputs]``."""
    from monai.networks.nets.efficientnet import EfficientNetBN  # noqa: PLC0415 (slow to import)

    network = EfficientNetBN(
        f"efficientnet-{options.size}",
        pretrained=False,
        spatial_dims=shape.dimensions,
        in_channels=shape.inputs,
        num_classes=shape.outputs,
    )
    _pad_by_kernel(network)
    return normalised(network, options.norm, shape.dimensions)


def _pad_by_kernel(network: nn.Module) -> None:
    suffix = "_padding"
    for module in list(network.modules()):
        for name in [n for n, _ in module.named_children() if n.endswith(suffix)]:
            convolution = getattr(module, name.removesuffix(suffix))
            if isinstance(convolution, (nn.Conv2d, nn.Conv3d)):
                convolution.padding = tuple(side // 2 for side in convolution.kernel_size)
                setattr(module, name, nn.Identity())


MODEL = Model(tasks=("classification",), options=Options, build=build)
