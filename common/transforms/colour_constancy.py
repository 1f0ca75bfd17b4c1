"""Take out the colour of the light (shades of grey): cameras and stains of hospitals agree.

Finlayson, Trezzi: Shades of Gray and Colour Constancy, Color and Imaging Conference 2004: the
Minkowski mean of order ``p`` of each channel estimates the light; each channel is divided by it,
relative to a grey light of the same strength.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform


@dataclass(frozen=True)
class Options:
    """How the light is estimated."""

    power: float = setting(
        6.0,
        doc="order of the Minkowski mean: 1 is grey world, large is the brightest pixel",
        low=1.0,
        high=32.0,
    )


def _prepare(options: Options, sample: Sample) -> Sample:
    """For unsigned values such as 0..255, before standardising.

    Grey images, and channels that are black, stay as they are.
    """
    magnitude = sample.image.double().abs().flatten(1)
    peak = magnitude.max()
    if not bool(peak > 0):
        return sample
    light = peak * (magnitude / peak).pow(options.power).mean(1).pow(1 / options.power)
    gain = light.square().mean().sqrt() / light
    gain[light <= peak * 1e-6] = 1.0
    return sample.with_(image=sample.image * gain.float().reshape(-1, *[1] * sample.dimensions))


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
