"""Zero mean and unit variance, image by image: makes different scanners comparable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform


@dataclass(frozen=True)
class Options:
    """What the mean and variance are taken over."""

    nonzero: bool = setting(
        False,
        doc="use and change only pixels that are not 0 (skull-stripped MR, masked background)",
    )
    per_channel: bool = setting(
        True, doc="each channel by itself; false keeps the ratios between the channels of one image"
    )


def _prepare(options: Options, sample: Sample) -> Sample:
    image = sample.image
    groups = image.unbind(0) if options.per_channel else (image,)
    standard = [_standard(group, options.nonzero) for group in groups]
    return sample.with_(image=torch.stack(standard) if options.per_channel else standard[0])


def _standard(values: Tensor, nonzero: bool) -> Tensor:
    """Mean and variance in float64: raw MR values reach millions. What is constant becomes 0."""
    used = values[values != 0] if nonzero else values
    if used.numel() == 0 or bool(used.min() == used.max()):
        return torch.zeros_like(values)
    wide = used.double()
    scaled = ((values.double() - wide.mean()) / wide.std(correction=0)).float()
    return torch.where(values != 0, scaled, 0.0) if nonzero else scaled


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
