"""A small convolutional classifier: strided stages, mean over the image, one linear layer.

A stage is convolution, norm and ReLU; dropout lies before the linear layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from common.errors import StudyError
from common.models import Model, Shape
from common.models._norm import norm_layer, norm_setting
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    channels: tuple[int, ...] = setting(
        (16, 32, 64), doc="channels of each stage; every stage halves the image", low=1, high=2048
    )
    depth: int = setting(2, doc="convolutions in each stage", low=1, high=16)
    dropout: float = setting(
        0.1, doc="share of the pooled features dropped in training", low=0.0, high=0.9
    )
    norm: str = norm_setting()


class Network(nn.Module):
    """The classifier; ``[B, C, H, W[, D]]`` of any size to logits ``[B, outputs]``."""

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = shape.inputs
        for channels in options.channels:
            for position in range(options.depth):
                layers += _block(
                    options.norm,
                    shape.dimensions,
                    inputs,
                    channels,
                    stride=2 if position == 0 else 1,
                )
                inputs = channels
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(options.dropout)
        self.head = nn.Linear(inputs, shape.outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, outputs]``."""
        logits: Tensor = self.head(self.dropout(self.features(images).flatten(2).mean(2)))
        return logits


def _block(norm: str, dimensions: int, inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    kind = nn.Conv2d if dimensions == 2 else nn.Conv3d
    convolution = kind(inputs, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return [convolution, norm_layer(norm, outputs, dimensions), nn.ReLU(inplace=True)]


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` of any size to logits ``[B, outputs]``.

    Raises:
        StudyError: no stage.
    """
    if not options.channels:
        raise StudyError("model.channels is empty; give one number of channels for each stage.")
    return Network(options, shape)


MODEL = Model(tasks=("classification",), options=Options, build=build)
