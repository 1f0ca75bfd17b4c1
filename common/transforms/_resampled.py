"""Bring a sample to another pixel grid: grey values linearly, class numbers by the nearest."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from common.sample import Sample
from common.targets import Geometry
from common.transforms import _linear


class Regridding(Geometry):
    """The image is averaged where it shrinks (no aliasing) and interpolated where it grows."""

    keep = 0.0

    def __init__(self, before: Sequence[int], sizes: Sequence[int], steps: Sequence[float]) -> None:
        self.size = tuple(sizes)
        self._steps = list(steps)
        self._axes = list(zip(before, sizes, steps, strict=True))

    def image(self, images: Tensor) -> Tensor:
        """Grey values on the new grid."""
        return _linear.apply(images, [_linear.resampling(*axis) for axis in self._axes])

    def nearest(self, values: Tensor) -> Tensor:
        """The old pixel under each new pixel's centre."""
        for number, axis in enumerate(self._axes, start=2):
            values = values.index_select(number, _linear.nearest(*axis))
        return values

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """The centre of the image stays its centre."""
        offset = places.new_tensor([(n - m * s) / 2 for n, m, s in self._axes])
        return (places - offset) / places.new_tensor(self._steps)


def resampled(sample: Sample, sizes: Sequence[int], steps: Sequence[float]) -> Sample:
    """The sample on a grid of ``sizes`` pixels that are ``steps`` old pixels wide (H, W[, D]).

    The centre of the image stays its centre, and the spacing follows.
    """
    spacing = tuple(mm * step for mm, step in zip(sample.spacing, steps, strict=True))
    return sample.follow(Regridding(sample.image.shape[1:], sizes, steps)).with_(spacing=spacing)
