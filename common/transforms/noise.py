"""Additive Gaussian noise of a random strength per image: lower dose, shorter exposure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import chosen, column, interval, uniform


@dataclass(frozen=True)
class Options:
    """How strong and how often."""

    sigma: tuple[float, ...] = setting(
        (0.0, 0.1),
        doc="strength of the noise, in standard deviations of the image",
        low=0.0,
        high=10.0,
    )
    probability: float = setting(0.5, doc="share of the images changed", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        interval("noise", "sigma", self.sigma)


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    images = batch.images
    sigma = uniform(options.sigma, (len(batch),), generator, images.device)
    used = chosen(options.probability, len(batch), generator, images.device)
    strength = sigma * used * images.flatten(1).std(1, correction=0)
    noise = _normal(images, generator)
    return batch.with_(images=torch.addcmul(images, column(strength, images), noise))


def _normal(images: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise made where the images lie."""
    if images.device.type == "cpu":
        return torch.randn(images.shape, generator=generator)
    # A CPU generator cannot fill memory of another device, and noise is too large to be moved.
    seed = int(torch.randint(2**62, (), generator=generator))
    local = torch.Generator(images.device).manual_seed(seed)
    return torch.randn(images.shape, generator=local, device=images.device)


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
