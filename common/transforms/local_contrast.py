"""Even out illumination: subtract the local mean and divide by the local standard deviation.

It brings out vessels in fundus images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform
from common.transforms._linear import blur

_TINY = 1e-6
"""Deviations below this share of the largest grey value are rounding errors of float32."""


@dataclass(frozen=True)
class Options:
    """How large "local" is."""

    sigma: float = setting(
        8.0,
        doc="size of the Gaussian neighbourhood in pixels, a few times the structures' width",
        low=0.5,
        high=512.0,
    )
    floor: float = setting(
        0.2,
        doc="smallest local deviation, as a share of the image's: keeps flat areas flat",
        low=0.001,
        high=10.0,
    )


def _prepare(options: Options, sample: Sample) -> Sample:
    """Each channel by itself; what is constant becomes 0."""
    image = sample.image[None]
    sigma = torch.tensor([options.sigma])
    detail = image - blur(image, sigma)
    local = blur(detail**2, sigma).sqrt()
    whole = detail.flatten(2).std(2, correction=0).reshape(1, -1, *[1] * sample.dimensions)
    # 1e-30 keeps an image that is 0 everywhere from 0 / 0.
    smallest = _TINY * image.abs().max() + 1e-30
    return sample.with_(image=(detail / (local + options.floor * whole).clamp(min=smallest))[0])


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
