"""A random window of each training image, placed on the labelled structure as often as asked."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from common.sample import Sample
from common.study.config import setting
from common.targets import KEEP
from common.transforms import Transform
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
    """A window near the border is moved inwards; a smaller image is padded evenly."""
    size = per_axis("random_crop", "size", options.size, sample.dimensions)
    aimed = float(torch.rand((), generator=generator)) < options.foreground
    centre = _foreground(sample, generator) if aimed else None
    starts = []
    for axis, (length, side) in enumerate(zip(sample.image.shape[1:], size, strict=True)):
        slack = length - side
        start = (
            _below(max(slack, 0) + 1, generator)
            if centre is None
            else min(max(centre[axis] - side // 2, 0), max(slack, 0))
        )
        starts.append(start if slack > 0 else -(-slack // 2))
    return window(sample, starts, size, fill=options.fill, keep=KEEP)


def _foreground(sample: Sample, generator: torch.Generator) -> list[int] | None:
    """A place (H, W[, D]) that the first target marks which marks any, else None."""
    places = (target.place(generator) for target in sample.targets.values())
    return next((place for place in places if place is not None), None)


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


TRANSFORM = Transform(kind="crop", options=Options, crop=_crop)
