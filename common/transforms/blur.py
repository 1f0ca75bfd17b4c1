"""Gaussian blur of a random width per image: softer kernels, slight motion, defocus."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._linear import blur
from common.transforms._options import chosen, interval, uniform


@dataclass(frozen=True)
class Options:
    """How wide and how often."""

    sigma: tuple[float, ...] = setting(
        (0.3, 1.2), doc="standard deviation of the Gaussian in pixels", low=0.0, high=64.0
    )
    probability: float = setting(0.3, doc="share of the images blurred", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        interval("blur", "sigma", self.sigma)


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Masks and boxes stay: the outline of a blurred structure is where it was."""
    device = batch.images.device
    sigmas = uniform(options.sigma, (len(batch),), generator, device)
    # Only the chosen images are blurred: it is the costliest of the steps.
    blurred = chosen(options.probability, len(batch), generator, torch.device("cpu"))
    rows = blurred.nonzero()[:, 0].to(device)
    if not len(rows):
        return batch
    images = batch.images.clone()
    images[rows] = blur(images[rows], sigmas[rows])
    return batch.with_(images=images)


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
