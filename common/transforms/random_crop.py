"""A random window of each training image, placed on the labelled structure as often as asked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform
from common.transforms._boxes import KEEP, edges
from common.transforms._options import axes, per_axis
from common.transforms._window import window


@dataclass(frozen=True)
class Options:
    """Size of the window and where it falls."""

    size: tuple[int, ...] = setting(
        doc="pixels along H, W[, D]; one number for all axes", low=1, high=4096
    )
    foreground: float = setting(
        0.0,
        doc="probability of a window centred on a foreground pixel, or a box",
        low=0.0,
        high=1.0,
    )
    fill: float = setting(
        0.0, doc="grey value of the padding where the image is smaller than the window"
    )

    def __post_init__(self) -> None:
        axes("random_crop", "size", len(self.size))


def _crop(options: Options, sample: Sample, generator: torch.Generator) -> Sample:
    """A window near the border is moved inwards; an image smaller than the window is padded evenly."""
    size = per_axis("random_crop", "size", options.size, sample.dimensions)
    aimed = float(torch.rand((), generator=generator)) < options.foreground
    centre = _foreground(sample, generator) if aimed else None
    starts = []
    for axis, (length, wanted) in enumerate(zip(sample.image.shape[1:], size, strict=True)):
        room = length - wanted
        start = (
            _below(max(room, 0) + 1, generator)
            if centre is None
            else min(max(centre[axis] - wanted // 2, 0), max(room, 0))
        )
        starts.append(start if room > 0 else -(-room // 2))
    return window(sample, starts, size, options.fill, KEEP)


def _foreground(sample: Sample, generator: torch.Generator) -> list[int] | None:
    """A foreground pixel (H, W[, D]) drawn evenly, else the centre of a random box, else None."""
    if sample.mask is not None and bool(sample.mask.any()):
        return _pixel(sample.mask[0] != 0, generator)
    if sample.boxes is not None and len(sample.boxes):
        low, high = edges(sample.boxes[_below(len(sample.boxes), generator)][None])
        return [int(c) for c in ((low + high) / 2)[0]]
    return None


def _pixel(foreground: Tensor, generator: torch.Generator) -> list[int]:
    """Axis by axis, each index as likely as it has foreground pixels: even over all of them without listing them."""
    place: list[int] = []
    while foreground.dim():
        counts = foreground.reshape(len(foreground), -1).sum(1)
        rank = _below(int(counts.sum()), generator)
        place.append(int((counts.cumsum(0) <= rank).sum()))
        foreground = foreground[place[-1]]
    return place


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


TRANSFORM = Transform(kind="crop", options=Options, crop=_crop)
