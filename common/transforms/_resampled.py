"""Bring a sample to another pixel grid: image by linear weights, mask by the nearest pixel, boxes by the same map."""

from __future__ import annotations

from collections.abc import Sequence

from common.sample import Sample
from common.transforms import _linear
from common.transforms._boxes import clipped, edges


def resampled(sample: Sample, sizes: Sequence[int], steps: Sequence[float]) -> Sample:
    """The sample on a grid of ``sizes`` pixels that are ``steps`` old pixels wide (H, W[, D]); the centre of the image stays its centre.

    The image is averaged where it shrinks (no aliasing) and interpolated where it grows. The spacing follows.
    """
    before = sample.image.shape[1:]
    grid = list(zip(before, sizes, steps, strict=True))
    mask, boxes, classes = sample.mask, sample.boxes, sample.classes
    if mask is not None:
        for axis, place in enumerate(grid, start=1):
            mask = mask.index_select(axis, _linear.nearest(*place))
    if boxes is not None:
        low, high = edges(boxes)
        step, offset = (
            low.new_tensor(list(steps)),
            low.new_tensor([(n - m * s) / 2 for n, m, s in grid]),
        )
        boxes, classes = clipped(
            (low - offset) / step, (high - offset) / step, classes, sizes, keep=0.0
        )
    return sample.with_(
        image=_linear.apply(sample.image[None], [_linear.resampling(*place) for place in grid])[0],
        spacing=tuple(mm * step for mm, step in zip(sample.spacing, steps, strict=True)),
        mask=mask,
        boxes=boxes,
        classes=classes,
    )
