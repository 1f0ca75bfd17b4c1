"""Hide random rectangles, so that the network does not lean on a single cue.

DeVries, Taylor: Improved Regularization of Convolutional Neural Networks with Cutout, arXiv
1708.04552.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import chosen, column, interval, uniform


@dataclass(frozen=True)
class Options:
    """How many, how large and how often."""

    holes: int = setting(1, doc="rectangles per image", low=1, high=64)
    size: tuple[float, ...] = setting(
        (0.1, 0.25),
        doc="side of a rectangle, as a share of the image's along each axis",
        low=0.0,
        high=1.0,
    )
    probability: float = setting(0.5, doc="share of the images changed", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        interval("cutout", "size", self.size)


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Hidden pixels take the mean of their image and channel; labels, masks and boxes stay."""
    images = batch.images
    count = len(batch)
    device = images.device
    hidden = column(chosen(options.probability, count, generator, device)[:, None], images)
    for axis, length in enumerate(images.shape[2:], start=2):
        side = uniform(options.size, (count, options.holes), generator, device)
        centre = uniform((0.0, 1.0), (count, options.holes), generator, device)
        place = (torch.arange(length, device=device) + 0.5) / length
        within = (place - centre[..., None]).abs() <= side[..., None] / 2
        hidden = hidden & within.reshape(
            count, options.holes, *[length if a == axis else 1 for a in range(2, images.dim())]
        )
    mean = column(images.flatten(2).mean(2), images)
    return batch.with_(images=torch.where(hidden.any(1, keepdim=True), mean, images))


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
