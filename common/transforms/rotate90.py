"""Turn images by quarter turns in the H-W plane, without interpolation.

For images that have no up, as in dermoscopy and pathology.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.sample import Batch
from common.study.config import setting
from common.targets import Geometry
from common.transforms import Transform
from common.transforms._options import chosen


@dataclass(frozen=True)
class Options:
    """How often."""

    probability: float = setting(
        0.75, doc="share of the images turned, by one, two or three quarters", low=0.0, high=1.0
    )


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Masks and boxes follow exactly.

    Images that are not square (in pixels or in millimetres) are turned by 180 degrees only.
    """
    height, width = batch.images.shape[2:4]
    square = height == width and batch.spacing[0] == batch.spacing[1]
    drawn = 1 + torch.randint(3, (len(batch),), generator=generator)
    turned = chosen(options.probability, len(batch), generator, torch.device("cpu"))
    turns = torch.where(turned, drawn if square else torch.full_like(drawn, 2), 0)
    return batch.follow(Turn((height, width, *batch.images.shape[4:]), turns))


class Turn(Geometry):
    """Each image turned counter-clockwise by its own number of quarter turns, exactly."""

    def __init__(self, size: Sequence[int], turns: Tensor) -> None:
        self.size = tuple(size)
        self._turns = turns

    def image(self, images: Tensor) -> Tensor:
        """Any values."""
        result = images.clone()
        for k in (1, 2, 3):
            rows = (self._turns == k).nonzero()[:, 0].to(images.device)
            if len(rows):
                result[rows] = torch.rot90(images[rows], k, (2, 3))
        return result

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """A quarter turn takes (row, column) to (W - column, row)."""
        turns = self._turns.to(places.device)[owner]
        height, width = self.size[:2]
        for quarters in range(3):
            turned = places.clone()
            turned[:, 0] = width - places[:, 1]
            turned[:, 1] = places[:, 0]
            places = torch.where((turns > quarters)[:, None], turned, places)
            height, width = width, height
        return places


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
