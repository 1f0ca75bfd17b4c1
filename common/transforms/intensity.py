"""Random brightness, contrast and gamma of each image, for any grey scale: negative values and standardised images included."""

from __future__ import annotations

from dataclasses import dataclass

import torch

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
    images, count, device = batch.images, len(batch), batch.images.device
    gamma, contrast = (
        ratio(bounds, (count,), generator, device) for bounds in (options.gamma, options.contrast)
    )
    brightness = uniform(options.brightness, (count,), generator, device)
    used = column(chosen(options.probability, count, generator, device), images)
    changed = images
    if options.gamma != (1.0, 1.0):
        low, high = images.flatten(1).aminmax(dim=1)
        low, width = column(low, images), column((high - low).clamp(min=1e-20), images)
        changed = ((images - low) / width).pow_(column(gamma, images)).mul_(width).add_(low)
    deviation, mean = torch.std_mean(changed.flatten(1), dim=1, correction=0)
    changed = changed * column(contrast, images) + column(
        mean * (1 - contrast) + brightness * deviation, images
    )
    return batch.with_(images=torch.where(used, changed, images))


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
