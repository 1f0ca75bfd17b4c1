"""Map a range of grey values to 0..1: percentiles of each image, or a fixed window.

A fixed window suits values with a meaning, such as 0..255 or Hounsfield units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from common.errors import StudyError
from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import interval


@dataclass(frozen=True)
class Options:
    """Which input range becomes 0..1; a fixed range goes before percentiles."""

    percentiles: tuple[float, ...] = setting(
        (0.5, 99.5), doc="percentiles of each image that become 0 and 1", low=0.0, high=100.0
    )
    input_range: tuple[float, ...] | None = setting(
        None, doc="fixed values that become 0 and 1, e.g. [-160, 240] HU"
    )
    clip: bool = setting(True, doc="cut values below 0 and above 1")
    per_channel: bool = setting(False, doc="percentiles of each channel by itself")

    def __post_init__(self) -> None:
        interval("rescale", "percentiles", self.percentiles)
        if self.input_range is not None:
            interval("rescale", "input_range", self.input_range)
            if self.input_range[0] == self.input_range[1]:
                raise StudyError(
                    f"input_range of step 'rescale' is {list(self.input_range)}; "
                    "give two different numbers."
                )


def _prepare(options: Options, sample: Sample) -> Sample:
    image = sample.image
    groups = image.unbind(0) if options.per_channel else (image,)
    scaled = [_scaled(options, group) for group in groups]
    return sample.with_(image=torch.stack(scaled) if options.per_channel else scaled[0])


def _scaled(options: Options, values: Tensor) -> Tensor:
    low, high = options.input_range or np.percentile(values.numpy(), options.percentiles)
    if low == high:
        return torch.zeros_like(values)
    # In float64: stored values of a scanner reach millions.
    scaled = ((values.double() - float(low)) / float(high - low)).float()
    return scaled.clamp_(0, 1) if options.clip else scaled


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
