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
    images, device = batch.images, batch.images.device
    strength = uniform(options.sigma, (len(batch),), generator, device) * chosen(
        options.probability, len(batch), generator, device
    )
    strength = strength * images.flatten(1).std(1, correction=0)
    return batch.with_(
        images=torch.addcmul(images, column(strength, images), _normal(images, generator))
    )


def _normal(images: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise made where the images lie; elsewhere than on the CPU by a generator that the CPU's one seeds."""
    if images.device.type == "cpu":
        return torch.randn(images.shape, generator=generator)
    local = torch.Generator(images.device).manual_seed(
        int(torch.randint(2**62, (), generator=generator))
    )
    return torch.randn(images.shape, generator=local, device=images.device)


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
