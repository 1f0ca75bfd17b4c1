"""What the U-Nets share: settings, the check of their levels, arguments of MONAI's classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from common.errors import StudyError
from common.models import Shape
from common.models._norm import norm_setting
from common.study.config import setting


@dataclass(frozen=True)
class Blocks:
    """Settings of a U-Net; each network gives its own channels."""

    channels: tuple[int, ...] = ()
    kernel_size: int = setting(3, doc="side of each convolution in pixels", choices=(3, 5, 7))
    dropout: float = setting(
        0.0, doc="share of each layer's values dropped in training", low=0.0, high=0.9
    )
    norm: str = norm_setting()


@dataclass(frozen=True)
class Levels(Blocks):
    """Settings of a U-Net whose levels have strides of their own."""

    strides: tuple[int, ...] = setting(
        (2, 2, 2),
        doc="reduction from each level to the next; one fewer than channels",
        low=1,
        high=4,
    )

    @property
    def divisible(self) -> int:
        """Sides of images are multiples of this."""
        return math.prod(self.strides)

    def arguments(self, shape: Shape) -> dict[str, Any]:
        """What MONAI's classes are called with.

        Raises:
            StudyError: channels and strides do not fit together.
        """
        check_levels(self.channels, self.strides)
        return {
            **images(shape),
            "channels": self.channels,
            "strides": self.strides,
            "kernel_size": self.kernel_size,
            "up_kernel_size": self.kernel_size,
            "dropout": self.dropout,
        }


def images(shape: Shape) -> dict[str, Any]:
    """The arguments that say what goes in and out."""
    return {
        "spatial_dims": shape.dimensions,
        "in_channels": shape.inputs,
        "out_channels": shape.outputs,
    }


def channels_setting(default: tuple[int, ...], low: int = 1, more: str = "") -> Any:
    """The option ``channels``, the same for every U-Net but for the default."""
    return setting(default, doc=f"channels of each level, finest first{more}", low=low, high=2048)


def check_levels(channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Refuse a list of levels that no U-Net has.

    Raises:
        StudyError: fewer than two levels, or not one stride fewer than levels.
    """
    check_count(len(channels), 2)
    if len(strides) != len(channels) - 1:
        raise StudyError(
            f"model.strides has {len(strides)} entries; "
            f"give {len(channels) - 1}, one fewer than model.channels."
        )


def check_count(levels: int, fewest: int) -> None:
    """Refuse too few levels.

    Raises:
        StudyError: there are fewer than ``fewest``.
    """
    if levels < fewest:
        spelled = {2: "two", 3: "three"}[fewest]
        raise StudyError(
            f"model.channels has {levels} entries; give {spelled} or more, one for each level."
        )
