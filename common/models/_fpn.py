"""Parts of convolutional detectors in 2-D and 3-D: residual stages and a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from common.models._norm import norm_layer
from common.models._sound import Convolution2d, Convolution3d


def convolution(
    dimensions: int, inputs: int, outputs: int, size: int = 3, stride: int = 1, bias: bool = False
) -> nn.Module:
    """A 2-D or 3-D convolution that keeps the extent (divided by the stride, rounded up)."""
    kind = Convolution2d if dimensions == 2 else Convolution3d
    return kind(inputs, outputs, size, stride=stride, padding=size // 2, bias=bias)


def unit(dimensions: int, inputs: int, outputs: int, norm: str, stride: int = 1) -> nn.Sequential:
    """Convolution of side 3, normalisation, ReLU."""
    middle = convolution(dimensions, inputs, outputs, stride=stride)
    return nn.Sequential(middle, norm_layer(norm, outputs, dimensions), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two convolutions around a shortcut (He et al. 2016, basic block)."""

    def __init__(self, dimensions: int, inputs: int, outputs: int, norm: str, stride: int) -> None:
        super().__init__()
        self.first = unit(dimensions, inputs, outputs, norm, stride=stride)
        self.second = convolution(dimensions, outputs, outputs)
        self.norm = norm_layer(norm, outputs, dimensions)
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else convolution(dimensions, inputs, outputs, size=1, stride=stride)
        )
        # A scale of 0 starts the block as its shortcut alone: a deep stack trains from the start.
        nn.init.zeros_(self.norm.get_parameter("weight"))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, inputs, H, W[, D]]`` to ``[B, outputs, H / stride, W / stride[, D / stride]]``."""
        return F.relu(self.norm(self.second(self.first(x))) + self.shortcut(x), inplace=True)


class Backbone(nn.Module):
    """Stem of stride 2, then stages of which each halves the extent: strides 4, 8, 16, ...

    Args:
        dimensions: 2 or 3.
        inputs: channels of the image.
        widths: channels of each stage.
        blocks: residual blocks per stage.
        norm: one of :data:`common.models._norm.NORMS`.
    """

    def __init__(
        self, dimensions: int, inputs: int, widths: Sequence[int], blocks: int, norm: str
    ) -> None:
        super().__init__()
        self.stem = unit(dimensions, inputs, widths[0], norm, stride=2)
        self.stages = nn.ModuleList()
        before = widths[0]
        for width in widths:
            first = Residual(dimensions, before, width, norm, stride=2)
            others = (Residual(dimensions, width, width, norm, stride=1) for _ in range(blocks - 1))
            self.stages.append(nn.Sequential(first, *others))
            before = width

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of every stage, finest first."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Pyramid(nn.Module):
    """Feature pyramid: coarse features are enlarged and added to finer ones.

    Lin et al. 2017, "FPN", section 3.

    Args:
        dimensions: 2 or 3.
        inputs: channels of each level, finest first.
        width: channels of every level of the result.
    """

    def __init__(self, dimensions: int, inputs: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            convolution(dimensions, channels, width, 1, bias=True) for channels in inputs
        )
        self.smooth = nn.ModuleList(
            convolution(dimensions, width, width, bias=True) for _ in inputs
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Levels ``[B, width, ...]``, finest first, as large as the features."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = levels[fine] + F.interpolate(
                levels[fine + 1], size=levels[fine].shape[2:]
            )
        return [smooth(x) for smooth, x in zip(self.smooth, levels, strict=True)]
