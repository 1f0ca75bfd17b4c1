"""Random brightness, contrast and gamma of each image, for any grey scale.

Negative values and standardised images are included.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import chosen, column, interval, ratio, uniform


@dataclass(frozen=True)
class Options:
    """Ranges of the three; every image draws its own."""

    brightness: tuple[float, ...] = setting(
        (-0.1, 0.1), doc="shift, in standard deviations of the image", low=-10.0, high=10.0
    )
    contrast: tuple[float, ...] = setting(
        (0.85, 1.15), doc="factor about the image's mean", low=0.01, high=100.0
    )
    gamma: tuple[float, ...] = setting(
        (0.8, 1.25),
        doc="exponent on the image brought to 0..1; its range is restored",
        low=0.05,
        high=20.0,
    )
    probability: float = setting(1.0, doc="share of the images changed", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "gamma"):
            interval("intensity", name, getattr(self, name))


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Order: gamma, contrast, brightness; all channels of an image alike."""
    images = batch.images
    count = len(batch)
    device = images.device
    gamma, contrast = (
        ratio(bounds, (count,), generator, device) for bounds in (options.gamma, options.contrast)
    )
    brightness = uniform(options.brightness, (count,), generator, device)
    used = column(chosen(options.probability, count, generator, device), images)
    changed = images if options.gamma == (1.0, 1.0) else _curved(images, column(gamma, images))
    deviation, mean = torch.std_mean(changed.flatten(1), dim=1, correction=0)
    offset = mean * (1 - contrast) + brightness * deviation
    changed = changed * column(contrast, images) + column(offset, images)
    return batch.with_(images=torch.where(used, changed, images))


def _curved(images: Tensor, gamma: Tensor) -> Tensor:
    """Images brought to 0..1, raised to ``gamma`` and brought back to their own range."""
    smallest, largest = images.flatten(1).aminmax(dim=1)
    low = column(smallest, images)
    # The limit keeps an image of one grey value from 0 / 0.
    width = column((largest - smallest).clamp(min=1e-20), images)
    return ((images - low) / width).pow_(gamma).mul_(width).add_(low)


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
