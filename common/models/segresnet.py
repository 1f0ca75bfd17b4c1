"""SegResNet (Myronenko 2018), MONAI's: a residual encoder and a light decoder.

It has no variational branch.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from common.errors import StudyError
from common.models import Model, Shape
from common.models._norm import norm_setting, normalised
from common.models._unet import images
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Settings of the network."""

    features: int = setting(
        8, doc="channels of the finest level; each further level has twice as many", low=1, high=256
    )
    down: tuple[int, ...] = setting(
        (1, 2, 2, 4), doc="residual blocks of each encoder level, finest first", low=1, high=32
    )
    up: tuple[int, ...] = setting(
        (1, 1, 1), doc="residual blocks of each decoder level; one fewer than down", low=1, high=32
    )
    dropout: float = setting(
        0.0, doc="share of the first layer's values dropped in training", low=0.0, high=0.9
    )
    norm: str = norm_setting()


def build(options: Options, shape: Shape) -> nn.Module:
    """``[B, C, H, W[, D]]`` to ``[B, outputs, H, W[, D]]``.

    Sides are a multiple of 2 to the power of the levels below the first.

    Raises:
        StudyError: the decoder does not fit the encoder.
    """
    if not options.up or len(options.up) != len(options.down) - 1:
        raise StudyError(
            f"model.up has {len(options.up)} entries and model.down {len(options.down)}; "
            "give one or more, one fewer than down."
        )
    from monai.networks.nets.segresnet import SegResNet  # noqa: PLC0415 (slow to import)

    network = SegResNet(
        **images(shape),
        init_filters=options.features,
        dropout_prob=options.dropout or None,
        norm="batch",
        blocks_down=options.down,
        blocks_up=options.up,
    )
    return normalised(network, options.norm, shape.dimensions, divisible=2 ** len(options.up))


MODEL = Model(tasks=("segmentation",), options=Options, build=build)
