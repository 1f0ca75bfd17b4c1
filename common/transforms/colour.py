"""Random gain and offset of each channel by itself: other lamps, cameras and stains."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import chosen, column, interval, ratio, uniform


@dataclass(frozen=True)
class Options:
    """Ranges; every channel of every image draws its own."""

    scale: tuple[float, ...] = setting(
        (0.9, 1.1), doc="factor of a channel about its mean", low=0.01, high=100.0
    )
    shift: tuple[float, ...] = setting(
        (-0.1, 0.1), doc="offset of a channel, in its standard deviations", low=-10.0, high=10.0
    )
    probability: float = setting(1.0, doc="share of the images changed", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        interval("colour", "scale", self.scale)
        interval("colour", "shift", self.shift)


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    images = batch.images
    device = images.device
    scale = ratio(options.scale, (len(batch), images.shape[1]), generator, device)
    shift = uniform(options.shift, (len(batch), images.shape[1]), generator, device)
    used = chosen(options.probability, len(batch), generator, device)[:, None]
    deviation, mean = torch.std_mean(images.flatten(2), dim=2, correction=0)
    gain = torch.where(used, scale, 1.0)
    offset = torch.where(used, mean * (1 - scale) + shift * deviation, 0.0)
    return batch.with_(images=images * column(gain, images) + column(offset, images))


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
