"""Cut a window out of an image, padding where it reaches beyond; mask and boxes follow."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import functional

from common.sample import Sample
from common.transforms._boxes import clipped, edges


def window(
    sample: Sample, starts: Sequence[int], sizes: Sequence[int], fill: float, keep: float = 0.0
) -> Sample:
    """The window of ``sizes`` pixels that begins at ``starts`` (H, W[, D]; negative where it begins before the image).

    Pixels beyond the image become ``fill`` in the image and background in the mask. Boxes are clipped; one of which less than the share
    ``keep``, or nothing, lies in the window is dropped with its class.
    """
    before = sample.image.shape[1:]
    pads = [p for n, s, m in zip(before, starts, sizes, strict=True) for p in (-s, s + m - n)]
    order = [p for i in reversed(range(len(before))) for p in pads[2 * i : 2 * i + 2]]
    boxes, classes = sample.boxes, sample.classes
    if boxes is not None:
        low, high = edges(boxes)
        shift = low.new_tensor(list(starts))
        boxes, classes = clipped(low - shift, high - shift, classes, sizes, keep)
    return sample.with_(
        image=functional.pad(sample.image, order, value=fill),
        mask=None if sample.mask is None else functional.pad(sample.mask, order),
        boxes=boxes,
        classes=classes,
    )


def centred(sample: Sample, sizes: Sequence[int], fill: float) -> Sample:
    """The image in the middle of a window of ``sizes`` pixels (H, W[, D])."""
    starts = [-((m - n) // 2) for n, m in zip(sample.image.shape[1:], sizes, strict=True)]
    return window(sample, starts, sizes, fill)
